"""Sequences as a user runs them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

Run = Callable[..., subprocess.CompletedProcess[str]]

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
SHORT = ("--suite", "cifar10-p", "--perturbations", "tilt,shot_noise", "--limit", "4", "--workers", "0")


def test_score_baseline_leaderboard(stormbench: Run, tmp_path: Path) -> None:
    scored = stormbench("score", PLAIN, "--data", "digits", *SHORT, "--levels", "1,3", "--name", "first")
    assert scored.returncode == 0, scored.stderr
    assert "shot_noise" in scored.stdout
    assert "Flip probability" in scored.stdout
    cells = json.loads((tmp_path / "results/first.json").read_text())["cells"]
    assert [(cell["perturbation"], cell["level"]) for cell in cells] == [
        ("shot_noise", 1),
        ("shot_noise", 3),
        ("tilt", 1),
    ]
    made = stormbench("baseline", "results/first.json", "-o", "mine.json")
    assert made.returncode == 0, made.stderr
    again = stormbench("score", PLAIN, "--data", "digits", *SHORT, "--name", "second", "--baseline", "mine.json")
    assert again.returncode == 0, again.stderr
    assert "lacking" in again.stdout
    board = stormbench("leaderboard", "results")
    assert board.returncode == 0, board.stderr
    assert "cifar10-p" in board.stdout


def test_generate(stormbench: Run, tmp_path: Path) -> None:
    made = stormbench("generate", "digits", "set", *SHORT)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "set/tilt.npy").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("score", PLAIN, "--data", "digits", *SHORT, "--baseline", "alexnet"), ["no flip probabilities"]),
        (("score", PLAIN, "--data", "digits", *SHORT, "--crop", "28"), ["--crop"]),
        (("generate", "digits", "set", "--suite", "cifar10-p", "--perturbations", "tlt"), ["tlt", "tilt"]),
        (("show", "cat.png", "-o", "x.gif", "--perturbation", "tlt"), ["tlt", "tilt"]),
        (("show", "cat.png", "-o", "x.avi", "--perturbation", "tilt"), ["x.avi", ".gif"]),
        (("show", "cat.png", "-o", "x.gif", "--perturbation", "tilt", "--level", "2"), ["level", "only noise"]),
    ],
)
def test_errors_take_one_line(stormbench: Run, tmp_path: Path, arguments: tuple[str, ...], words: list[str]) -> None:
    Image.fromarray(skimage.data.chelsea()).save(tmp_path / "cat.png")
    ended = stormbench(*arguments)
    assert ended.returncode == 1, ended.stderr
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("stormbench: ")
    assert all(word in last for word in words)


def test_show(stormbench: Run, tmp_path: Path) -> None:
    Image.fromarray(skimage.data.chelsea()).save(tmp_path / "cat.png")
    shown = stormbench("show", "cat.png", "--perturbation", "tilt", "-o", "tilt.gif")
    assert shown.returncode == 0, shown.stderr
    with Image.open(tmp_path / "tilt.gif") as film:
        assert film.size == (224, 224)
