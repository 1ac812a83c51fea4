"""Processes that are killed, interrupted or started twice: nothing finished is lost, and the bytes are the same."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from stormbench.benchmarks.generation.generate import generate
from stormbench.errors import ResultError

Start = Callable[..., "subprocess.Popen[str]"]
BytesOf = Callable[[Path], dict[str, bytes]]
RECIPE = ("--suite", "imagenet64-c", "--corruptions", "gaussian_noise,contrast", "--severities", "1,4")
CELLS = {"corruptions": ["gaussian_noise", "contrast"], "severities": [1, 4]}
LIMIT = 400


def begin(start: Start, out: Path, workers: int = 2) -> "subprocess.Popen[str]":
    return start("generate", "digits", out, *RECIPE, "--limit", LIMIT, "--workers", workers)


def shards(out: Path) -> int:
    return len(list((out / ".unfinished").glob("shard-*.npz")))


def wait_for_shards(run: "subprocess.Popen[str]", out: Path, count: int) -> None:
    while shards(out) < count and run.poll() is None and not (out / "manifest.json").exists():
        time.sleep(0.005)


def one_line(messages: str) -> str:
    """The line that is ours; no traceback is anywhere near."""
    assert "Traceback" not in messages, messages
    (line,) = [line for line in messages.splitlines() if line.startswith("stormbench: ")]
    return line


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, bytes_of: BytesOf) -> dict[str, bytes]:
    """What an undisturbed run writes."""
    out = tmp_path_factory.mktemp("whole")
    generate("digits", out, "imagenet64-c", **CELLS, limit=LIMIT)
    return bytes_of(out)


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_killed_at_random_moments(
    start: Start,
    tmp_path: Path,
    whole: dict[str, bytes],
    bytes_of: BytesOf,
    workers_of: Callable[[int], list[psutil.Process]],
    rounds: int,
) -> None:
    """SIGKILL of the parent and of a worker, in turn; every round ends with another run that finishes the set."""
    rng = np.random.default_rng()
    for round_ in range(rounds):
        out = tmp_path / f"out{round_}"
        run = begin(start, out)
        wait_for_shards(run, out, int(rng.integers(0, 10)))
        time.sleep(rng.uniform(0, 0.2))
        workers = workers_of(run.pid)
        if round_ % 2 and workers:
            workers[int(rng.integers(len(workers)))].kill()
            _, messages = run.communicate()
            assert run.returncode in (0, 1)  # it may have had nothing left to do
            assert run.returncode == 0 or "a worker process died" in one_line(messages)
        else:
            run.kill()
            run.communicate()
        assert not psutil.wait_procs(workers, timeout=20)[1]
        last = begin(start, out)
        _, messages = last.communicate()
        assert last.returncode == 0, messages
        assert bytes_of(out) == whole


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_interrupted(
    start: Start, tmp_path: Path, whole: dict[str, bytes], bytes_of: BytesOf, number: int, code: int
) -> None:
    """Finished shards are kept, no process stays, and one line says how to continue."""
    out = tmp_path / "out"
    run = begin(start, out)
    wait_for_shards(run, out, 1)
    processes = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(number)
    _, messages = run.communicate()
    assert run.returncode == code, messages
    assert "the same command again continues" in one_line(messages)
    assert not psutil.wait_procs(processes, timeout=20)[1]
    assert shards(out)
    again = begin(start, out)
    assert (again.communicate(), again.returncode)[1] == 0
    assert bytes_of(out) == whole


def test_a_second_process_is_refused_until_the_first_is_gone(
    start: Start, tmp_path: Path, whole: dict[str, bytes], bytes_of: BytesOf
) -> None:
    out = tmp_path / "out"
    first = begin(start, out)
    wait_for_shards(first, out, 1)
    first.send_signal(signal.SIGSTOP)
    second = begin(start, out, workers=0)
    _, messages = second.communicate()
    assert second.returncode == 1
    assert "another process is at work" in one_line(messages)
    with pytest.raises(ResultError, match="another process"):
        generate("digits", out, "imagenet64-c", **CELLS, limit=LIMIT)
    first.kill()  # its lock dies with it
    first.communicate()
    third = begin(start, out)
    _, messages = third.communicate()
    assert third.returncode == 0, messages
    assert bytes_of(out) == whole
