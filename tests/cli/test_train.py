"""``stormbench train oat``, ``oats``, ``pgd`` and ``tradeoff`` as a user runs them."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stormbench.defenses.oat.card import read_card

Run = Callable[..., subprocess.CompletedProcess[str]]
DATA = ("--data", "digits:train")
TINY = ("--channels", "4", "--attack-steps", "1", "--batch-size", "32")


def test_from_training_to_the_curve(stormbench: Run, tmp_path: Path) -> None:
    short = (*TINY, "--epochs", "1", "--limit", "64", "--residual", "--lambdas", "0,1")
    run = stormbench("train", "oats", *DATA, "-o", "wide", *short, "--widths", "0.5,1", "--encoding", "one-hot")
    assert run.returncode == 0, run.stderr
    assert "epoch 1 of 1: loss " in run.stderr
    assert "robust" in run.stderr
    assert "use it as oat:wide/model.safetensors@lam=1" in run.stdout
    card = read_card(tmp_path / "wide" / "model.safetensors")
    assert (card.network.lambdas, card.network.widths, card.network.encoding) == ((0, 1), (0.5, 1), "one-hot")
    assert (card.data["name"], card.data["images"], len(card.data["classes"])) == ("digits-train", 64, 10)
    assert [path.name for path in (tmp_path / "wide").iterdir()] == ["model.safetensors"]
    measure = ("--data", "digits", "--corruptions", "contrast", "--severities", "1", "--limit", "8", "--attacked", "4")
    run = stormbench("tradeoff", "wide/model.safetensors", *measure, "--workers", "0", "--lambdas", "0,1")
    assert run.returncode == 0, run.stderr
    assert "apgd-dlr-20" in run.stdout
    assert "answered at 1" in run.stdout
    assert (tmp_path / "results" / "wide.tradeoff.json").is_file()


def test_a_dedicated_model_and_what_a_finished_training_refuses(stormbench: Run, tmp_path: Path) -> None:
    command = ("train", "pgd", *DATA, "-o", "run", *TINY, "--limit", "64", "--lambda", "0.3")
    assert stormbench(*command, "--epochs", "1").returncode == 0
    card = read_card(tmp_path / "run" / "model.safetensors")
    assert (card.network.lambdas, card.network.encoding, card.network.dual) == ((0.3,), None, False)
    again = stormbench(*command, "--epochs", "2")
    assert again.returncode == 1
    assert "was trained with epochs 1, this run has 2; choose another output or remove it" in again.stderr


def test_a_killed_training_continues_to_the_same_weights(stormbench: Run, tmp_path: Path) -> None:
    command = ("train", "oat", *DATA, *TINY, "--limit", "96", "--epochs", "6", "--residual", "--seed", "5")
    whole = stormbench(*command, "-o", "whole")
    assert whole.returncode == 0, whole.stderr
    line = [sys.executable, "-m", "stormbench", *command, "-o", "killed"]
    with subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        next(text for text in run.stderr if text.startswith("epoch 2 of 6"))
        run.send_signal(signal.SIGKILL)
    assert (tmp_path / "killed" / "training.unfinished").is_file()
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    continued = stormbench(*command, "-o", "killed")
    assert continued.returncode == 0, continued.stderr
    assert "epoch 1 of 6" not in continued.stderr
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--arch", "resnet43"), "there is no architecture named 'resnet43'; did you mean resnet34"),
        (("--lambdas", "0,2"), "lambdas are distinct numbers from 0 to 1 in ascending order"),
    ],
)
def test_what_cannot_be_trained(stormbench: Run, arguments: tuple[str, str], message: str) -> None:
    run = stormbench("train", "oat", *DATA, "-o", "run", "--limit", "64", *arguments)
    assert run.returncode == 1
    assert message in run.stderr
    assert "Traceback" not in run.stderr
