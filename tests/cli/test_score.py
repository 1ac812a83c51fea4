"""``stormbench score`` and ``leaderboard`` as a user runs them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from stormbench.cli import main

Run = Callable[..., subprocess.CompletedProcess[str]]

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
SHORT = ("--data", "digits", "--suite", "cifar-c", "--corruptions", "pixelate,contrast", "--limit", "96")


def test_score_and_leaderboard(stormbench: Run, tmp_path: Path) -> None:
    scored = stormbench("score", PLAIN, *SHORT, "--name", "first", "-o", "results")
    assert scored.returncode == 0, scored.stderr
    assert "pixelate" in scored.stdout
    assert "Clean error" in scored.stdout
    assert "96 of 96 images" in scored.stderr
    result = json.loads((tmp_path / "results" / "first.json").read_text())
    assert [(cell["corruption"], cell["severity"]) for cell in result["cells"][:3]] == [
        ("clean", 0),
        ("contrast", 1),
        ("contrast", 2),
    ]
    assert set(result["cells"][0]) == {"corruption", "severity", "images", "wrong", "wrong_top5"}
    board = stormbench("leaderboard", "results")
    assert board.returncode == 0, board.stderr
    assert "plain" in board.stdout


def ended_with(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit code of the command line, run in this process."""
    monkeypatch.setattr(sys, "argv", ["stormbench", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("score", "resnet50", *SHORT), ["resnet50", "torchvision:resnet50"]),
        (("score", "torchvision:resnet5000", *SHORT), ["resnet5000", "resnet50"]),
        (("score", "checkpoint:none.pth@resnet18", *SHORT), ["none.pth"]),
        (("score", PLAIN, "--data", "no-such-folder"), ["no-such-folder"]),
        (("score", PLAIN, "--data", "digits", "--suite", "imagnet-c"), ["imagnet-c", "imagenet-c"]),
        (("score", PLAIN, "--data", "digits", "--corruptions", "fogg"), ["fogg", "fog"]),
        (("score", PLAIN, "--data", "digits", "--severities", "0-3"), ["0", "1 to 5"]),
        (("score", PLAIN, *SHORT, "--baseline", "alexnett"), ["alexnett", "alexnet"]),
        (("score", PLAIN, *SHORT, "--defense", "rian"), ["rian", "rain"]),
        (("score", PLAIN, *SHORT, "--device", "cuda:99"), ["cuda:99"]),
        (("leaderboard", "empty"), ["empty"]),
    ],
)
def test_our_own_errors_are_one_line(
    arguments: tuple[str, ...], words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, no traceback, and the value that was wrong is named."""
    assert ended_with(arguments, monkeypatch) == 1
    message = capsys.readouterr().err
    assert message.startswith("stormbench: ")
    assert message.count("\n") == 1
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    "arguments",
    [("score",), ("scores",), ("score", PLAIN, *SHORT, "--mean", "red"), ("score", PLAIN, *SHORT, "--limit", "0")],
)
def test_wrong_usage(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended_with(arguments, monkeypatch) == 2


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "stormbench",
        "score",
        PLAIN,
        *SHORT,
        "--batch-size",
        "4",
        "-o",
        str(folder),
        *more,
    ]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def wait_for_shards(run: subprocess.Popen[str], folder: Path, count: int) -> None:
    """Until there are so many, or the run has ended."""
    deadline = time.monotonic() + 120
    while run.poll() is None and len(list(folder.glob("*.unfinished/shard-*.npz"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def outcomes(folder: Path) -> bytes:
    (path,) = folder.glob("*.npz")
    return path.read_bytes()


def end(run: subprocess.Popen[str]) -> str:
    _, messages = run.communicate(timeout=120)
    return messages


def test_interrupted_and_continued(tmp_path: Path) -> None:
    """Control-C: exit code 130, finished shards are kept, the line says how to go on, and no process stays."""
    run = start(tmp_path, "--workers", "2")
    wait_for_shards(run, tmp_path, 2)
    children = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGINT)
    messages = end(run)
    assert run.returncode == 130
    assert "again" in messages
    assert "Traceback" not in messages
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert list(tmp_path.glob("*.unfinished/shard-*.npz"))


def test_killed_at_random_moments_and_continued(tmp_path: Path) -> None:
    """SIGKILL, again and again until a run gets through: the outcomes are those of an undisturbed run, to the byte."""
    undisturbed = start(tmp_path / "whole", "--workers", "0")
    assert end(undisturbed)
    rng = np.random.default_rng(os.getpid())
    folder = tmp_path / "killed"
    for round_ in range(4):
        run = start(folder, "--workers", "0" if round_ % 2 else "2")
        wait_for_shards(run, folder, 1 + 5 * round_)
        time.sleep(rng.uniform(0, 0.3))
        run.kill()
        end(run)
    last = start(folder, "--workers", "2")
    end(last)
    assert last.returncode == 0
    assert outcomes(folder) == outcomes(tmp_path / "whole")
    assert not list(folder.glob("*.unfinished"))
