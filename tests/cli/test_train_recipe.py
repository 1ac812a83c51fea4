"""``stormbench train RECIPE`` and ``net:PATH`` as a user runs them."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stormbench.defenses.training.card import read_training_card

Run = Callable[..., subprocess.CompletedProcess[str]]
DATA = ("--data", "digits:train")


def test_from_a_recipe_to_a_score(stormbench: Run, tmp_path: Path) -> None:
    run = stormbench("train", "trades", *DATA, "-o", "DIR", "--epochs", "1", "--limit", "64", "--set", "inner.steps=2")
    assert run.returncode == 0, run.stderr
    assert "departs from its source: eps 8/255 (source: 0.031)" in run.stderr
    assert "4.33 passes per image and step; about " in run.stderr
    assert "epoch 1 of 1: loss " in run.stderr
    assert "use it as net:DIR/model.safetensors" in run.stdout
    assert [path.name for path in (tmp_path / "DIR").iterdir()] == ["model.safetensors"]
    card = read_training_card(tmp_path / "DIR" / "model.safetensors")
    assert (card.recipe.name, card.recipe.inner.split(",")[0], card.recipe.epochs) == ("trades", "pgd:steps=2", 1)
    assert (card.data["name"], card.data["images"], len(card.data["classes"])) == ("digits-train", 64, 10)
    assert card.recipe_digest == card.recipe.digest
    measure = (
        "--data",
        "digits",
        "--suite",
        "cifar-c",
        "--corruptions",
        "contrast",
        "--severities",
        "1",
        "--limit",
        "8",
        "--workers",
        "0",
    )
    scored = stormbench("score", "net:DIR/model.safetensors", *measure)
    assert scored.returncode == 0, scored.stderr
    again = stormbench("train", "trades", *DATA, "-o", "DIR", "--epochs", "2", "--limit", "64")
    assert again.returncode == 1
    assert "was trained with epochs 1, this run has 2; choose another output or remove it" in again.stderr


def test_a_killed_training_continues_to_the_same_weights(stormbench: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('base = "fast"\nname = "mine"\nsource = "me"\nepochs = 6\nbatch = 32\n')
    command = ("train", "mine.toml", *DATA, "--limit", "96", "--seed", "5", "--set", "average=ema:decay=0.9")
    whole = stormbench(*command, "-o", "whole")
    assert whole.returncode == 0, whole.stderr
    line = [sys.executable, "-m", "stormbench", *command, "-o", "killed"]
    with subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        next(text for text in run.stderr if text.startswith("epoch 2 of 6"))
        run.send_signal(signal.SIGKILL)
    assert (tmp_path / "killed" / "training.unfinished").is_file()
    continued = stormbench(*command, "-o", "killed")
    assert continued.returncode == 0, continued.stderr
    assert "epoch 1 of 6" not in continued.stderr
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tradse",), "there is no recipe named 'tradse'; did you mean trades"),
        (("trades", "--set", "inner.stepz=3"), "there is no setting 'stepz'"),
        (("trades", "--arch", "resnet19"), "there is no network named 'resnet19'; did you mean resnet18"),
    ],
)
def test_what_cannot_be_trained(stormbench: Run, arguments: tuple[str, ...], message: str) -> None:
    run = stormbench("train", *arguments, *DATA, "-o", "run", "--limit", "64")
    assert run.returncode == 1
    assert message in run.stderr
    assert "Traceback" not in run.stderr


def test_what_cannot_be_scored(stormbench: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"none")
    run = stormbench("score", "net:broken.safetensors", "--data", "digits", "--workers", "0")
    assert run.returncode == 1
    assert "broken.safetensors is not a safetensors file" in run.stderr


def test_a_campaign_prints_its_table(stormbench: Run, tmp_path: Path) -> None:
    data = ("--data", "digits:train", "--test", "digits", "--train-limit", "64", "--limit", "20", "--attacked", "4")
    cells = ("--corruptions", "contrast", "--severities", "1", "--workers", "0", "--epochs", "1", "-o", "DIR")
    run = stormbench("campaign", "standard", "noise", *data, *cells)
    assert run.returncode == 0, run.stderr
    assert "C-error less standard" in run.stdout
    assert "noise*" in run.stdout
    assert (tmp_path / "DIR" / "DIR.campaign.json").is_file()
