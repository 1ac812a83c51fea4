"""``stormbench attack`` and ``stormbench train`` as a user runs them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
DATA = ("--data", "digits", "--suite", "cifar-c", "--workers", "0")


def test_attack_prints_controls_and_a_verdict(stormbench: Run, tmp_path: Path) -> None:
    run = stormbench("attack", PLAIN, *DATA, "--eps", "16/255", "--budget", "quick", "--limit", "8", "--name", "bare")
    assert run.returncode == 0, run.stderr
    assert "passes for each image, about" in run.stderr
    assert "verdict: not robust" in run.stdout
    found = json.loads((tmp_path / "results" / "bare.json").read_text())["adversarial"]
    assert found["images"] == 8
    assert set(found["correct"]) == {"clean", "oblivious", "adaptive", "fixed_draw", "noise"}
    assert found["eps"] == 16 / 255


def test_a_trained_enhancer_stands_in_front_of_a_model(stormbench: Run, tmp_path: Path) -> None:
    small = ("--features", "4", "--blocks", "1", "--restoration-epochs", "1", "--task-epochs", "1", "--limit", "64")
    run = stormbench("train", "rain", PLAIN, "--data", "digits:train", "-o", "enhancer.safetensors", *small)
    assert run.returncode == 0, run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["enhancer.safetensors"]
    defense = "rain:upsampler=small,weights=enhancer.safetensors"
    assert defense in run.stdout
    scored = stormbench("score", PLAIN, *DATA, "--defense", defense, "--corruptions", "contrast", "--limit", "8")
    assert scored.returncode == 0, scored.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("attack", PLAIN, *DATA, "--eps", "300"), "eps is a distance between pixels"),
        (("attack", PLAIN, *DATA, "--defense", "rain:draw=2"), "there is no setting 'draw'"),
        (("attack", PLAIN, *DATA, "--budget", "quik"), "no budget named 'quik'"),
        (("train", "rain", PLAIN, "--data", "digits", "-o", "enhancer.pth"), "is written as .safetensors"),
    ],
)
def test_errors_are_one_line(arguments: tuple[str, ...], message: str, stormbench: Run) -> None:
    run = stormbench(*arguments)
    assert run.returncode == 1
    assert message in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("kind", ["defenses", "attacks", "budgets"])
def test_what_there_is_can_be_listed(kind: str, stormbench: Run) -> None:
    assert {"defenses": "rain", "attacks": "apgd", "budgets": "thorough"}[kind] in stormbench("list", kind).stdout
