"""``stormbench attack`` and ``stormbench train`` as a user runs them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from stormbench.benchmarks.evaluation.attack import attack
from stormbench.cli import app
from stormbench.cli.tables.attacks import print_story
from stormbench.defenses.rain.small import SmallEnhancer
from stormbench.errors import StormbenchError
from stormbench.weights import read_weights, write_weights

Run = Callable[..., subprocess.CompletedProcess[str]]

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
NOISY = "python:stormbench.benchmarks.demo.networks:noisy"
DATA = ("--data", "digits", "--suite", "cifar-c", "--workers", "0")


def test_attack_prints_controls_and_a_verdict(stormbench: Run, tmp_path: Path) -> None:
    how = ("--eps", "16/255", "--budget", "quick", "--limit", "8", "--name", "bare", "--transfer", NOISY)
    run = stormbench("attack", PLAIN, *DATA, *how)
    assert run.returncode == 0, run.stderr
    cost, *_, progress = (line for line in run.stderr.splitlines() if "passes for" in line or "attacking" in line)
    assert "passes for each image, about" in cost  # before anything is attacked
    assert run.stderr.count("images/s") <= 3  # of the clean score and of the attacks, however many they are
    assert "verdict: not robust" in run.stdout
    found = json.loads((tmp_path / "results" / "bare.json").read_text())["adversarial"]
    assert found["images"] == 8
    done = 8 * len(found["rows"])
    assert f"attacking: {done} of {done}" in progress
    assert [row["source"] for row in found["rows"] if row["role"] == "transfer"] == [NOISY]
    assert set(found["correct"]) == {"clean", "oblivious", "adaptive", "fixed_draw", "noise"}
    assert found["eps"] == 16 / 255


def test_attacks_can_be_named(tmp_path: Path) -> None:
    how = "--eps 16/255 --limit 8 --attack apgd:loss=dlr,steps=5,targets=9 --attack fab:steps=3"
    run = CliRunner().invoke(app, ["attack", PLAIN, *DATA, *how.split(), "-o", str(tmp_path)])
    assert run.exit_code == 0, run.output
    (path,) = tmp_path.glob("*.json")
    found = json.loads(path.read_text())["adversarial"]
    assert [row["attack"] for row in found["rows"] if row["role"] == "adaptive"] == [
        "apgd:loss=dlr,steps=5,targets=9,draws=1",
        "fab:steps=3,draws=1",
    ]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (("--attack", "pdg"), "no attack named 'pdg'"),
        (("--attack", "pgd", "--budget", "quick"), "choose --budget quick or --attack pgd, not both"),
        (("--attack", "pgd", "--attack", "pgd"), "name each attack once"),
        (("--attack", "fab:stepz=3"), "no setting 'stepz'"),
    ],
)
def test_attacks_that_cannot_be_chosen(choice: tuple[str, ...], message: str, tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["attack", PLAIN, *DATA, *choice, "-o", str(tmp_path)])
    assert isinstance(run.exception, StormbenchError)  # which ``main`` prints
    assert message in str(run.exception)


def test_a_trained_enhancer_stands_in_front_of_a_model(stormbench: Run, tmp_path: Path) -> None:
    small = ("--features", "4", "--blocks", "1", "--restoration-epochs", "1", "--task-epochs", "1", "--limit", "64")
    run = stormbench("train", "rain", PLAIN, "--data", "digits:train", "-o", "enhancer.safetensors", *small)
    assert run.returncode == 0, run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["enhancer.safetensors"]
    defense = "rain:upsampler=small,weights=enhancer.safetensors"
    assert defense in run.stdout
    scored = stormbench("score", PLAIN, *DATA, "--defense", defense, "--corruptions", "contrast", "--limit", "8")
    assert scored.returncode == 0, scored.stderr


def test_training_starts_from_an_enhancer_and_may_move_the_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    write_weights(SmallEnhancer(features=4, blocks=1), Path("first.safetensors"))
    how = "--data digits:train --limit 64 --start small=first.safetensors --restoration-epochs 0 --task-epochs 1"
    arguments = ["train", "rain", PLAIN, *how.split(), "-o", "second.safetensors", "--moving-batch-norm"]
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == 0, run.output
    assert "epoch 1 of 1, task" in run.output
    kept = {"first.safetensors", "second.safetensors", "second.classifier.safetensors"}
    assert {path.name for path in tmp_path.iterdir()} == kept
    first, second = (read_weights(Path(f"{name}.safetensors")).state for name in ("first", "second"))
    assert {name: value.shape for name, value in first.items()} == {name: value.shape for name, value in second.items()}
    assert not torch.equal(first["tail.weight"], second["tail.weight"])


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


NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes, scale):
        super().__init__()
        self.last, self.scale = nn.Linear(3, classes), scale
    def forward(self, x):
        return self.last(x.mean(dim=(2, 3))) * self.scale

def nan():
    return Net(10, float("nan"))

def four():
    return Net(4, 1.0)
"""


@pytest.mark.parametrize("command", ["attack", "score"])
@pytest.mark.parametrize(
    ("network", "more", "message"),
    [
        ("nan", (), "NaN"),
        ("four", (), "digits has 10 classes (0, 1, 2, 3, 4, ...), the model 4"),
        ("four", ("--defense", "rain:upsampler=imdn,weights=wrong.pth"), "wrong.pth does not fit IMDN"),
    ],
)
def test_useless_models_and_enhancers_are_one_line(
    command: str, network: str, more: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NETWORK)
    torch.save({"head.weight": torch.zeros(8, 1, 3, 3)}, "wrong.pth")
    run = CliRunner().invoke(app, [command, f"python:nets.py:{network}", *DATA, "--limit", "8", *more])
    assert isinstance(run.exception, StormbenchError)  # which ``main`` prints
    assert message in str(run.exception)
    assert "\n" not in str(run.exception)


def test_the_story_has_its_three_rows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, result = attack(PLAIN, "digits", "cifar-c", out=tmp_path, eps=0.1, budget="quick", defense="rain", limit=4)
    print_story(result)
    told = capsys.readouterr().out
    for row in ("undefended", "the attack does not know it", "the attack knows it", "not attacked", "verdict: "):
        assert row in told


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_demo_tells_the_story(stormbench: Run) -> None:
    run = stormbench("demo", "--workers", "1")
    assert run.returncode == 0, run.stderr
    assert "the attack knows it" in run.stdout


@pytest.mark.parametrize("kind", ["defenses", "attacks", "budgets"])
def test_what_there_is_can_be_listed(kind: str, stormbench: Run) -> None:
    assert {"defenses": "rain", "attacks": "apgd", "budgets": "thorough"}[kind] in stormbench("list", kind).stdout


def test_the_list_of_attacks_says_norms_settings_and_cost(stormbench: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    said = " ".join(stormbench("list", "attacks").stdout.split())
    for expected in ("linf, l2", "steps=100,restarts=1,targets=0", "forward passes an image: (queries + 1) x draws"):
        assert expected in said
