"""Disks that are full or read-only: one line, exit code 1, and what was finished is kept."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Start = Callable[..., "subprocess.Popen[str]"]
Mount = Callable[[str], Path]
BytesOf = Callable[[Path], dict[str, bytes]]
RECIPE = ("--suite", "imagenet64-c", "--corruptions", "gaussian_noise", "--limit", "96")


def failed(run: "subprocess.Popen[str]") -> str:
    """The one line that a failed run ends with."""
    _, messages = run.communicate()
    assert run.returncode == 1, messages
    assert "Traceback" not in messages, messages
    (line,) = [line for line in messages.splitlines() if line.startswith("stormbench: ")]
    return line


@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.slow)])
def test_a_full_disk(start: Start, mount: Mount, tmp_path: Path, bytes_of: BytesOf, workers: str) -> None:
    disk = mount("size=600k")
    line = failed(start("generate", "digits", disk / "out", *RECIPE, "--workers", workers))
    assert str(disk / "out") in line
    assert "No space left on device" in line
    assert "the same command again continues" in line
    subprocess.run(["mount", "-o", "remount,size=60m", disk], check=True)
    for out in (disk / "out", tmp_path / "whole"):
        run = start("generate", "digits", out, *RECIPE, "--workers", "0")
        run.communicate()
        assert run.returncode == 0
    assert bytes_of(disk / "out") == bytes_of(tmp_path / "whole")


def test_a_full_disk_while_scoring(start: Start, mount: Mount) -> None:
    model = "python:stormbench.benchmarks.demo.networks:plain"
    disk = mount("size=8k")
    line = failed(start("score", model, "--data", "digits", *RECIPE, "--workers", "0", "-o", disk))
    assert "No space left on device" in line


def test_a_read_only_target(start: Start, mount: Mount) -> None:
    disk = mount("ro")
    line = failed(start("generate", "digits", disk / "out", *RECIPE))
    assert str(disk) in line
    assert "Read-only file system" in line


def test_a_finished_set_may_be_read_only(start: Start, mount: Mount) -> None:
    disk = mount("size=60m")
    for options in ("remount,ro", "remount,ro"):
        run = start("generate", "digits", disk / "out", *RECIPE, "--workers", "0")
        run.communicate()
        assert run.returncode == 0
        subprocess.run(["mount", "-o", options, disk], check=True)
    verified = start("verify", disk / "out", "--workers", "0")
    said, _ = verified.communicate()
    assert (verified.returncode, "480 files checked, 0 missing, 0 changed, 0 extra" in said) == (0, True)
