"""A Dask cluster: the bytes of the local pool, also when a worker is killed in the middle."""

import importlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from stormbench.errors import BrokenImageError
from stormbench.execution import parallel
from stormbench.execution.parallel import Dask

distributed = pytest.importorskip("distributed")

Start = Callable[..., "subprocess.Popen[str]"]
BytesOf = Callable[[Path], dict[str, bytes]]
RECIPE = ("--suite", "imagenet64-c", "--corruptions", "gaussian_noise,contrast", "--severities", "1,4")
PLAIN = "python:stormbench.benchmarks.demo.networks:plain"


@dataclass(frozen=True)
class Cluster:
    address: str
    workers: list[psutil.Process]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler and two workers, each a process of its own, as `dask scheduler` and `dask worker` start them."""
    quiet = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    place = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    started = [subprocess.Popen([*dask, "--host", "127.0.0.1", "--scheduler-file", place], **quiet)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", place, "--no-nanny"]
    started += [subprocess.Popen([*worker, "--nthreads", "1", "--no-dashboard"], **quiet) for _ in range(2)]
    while not place.exists() or not place.read_text().strip():
        assert all(process.poll() is None for process in started)
        time.sleep(0.05)
    with distributed.Client(scheduler_file=str(place), set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
        address = client.scheduler.address
    yield Cluster(address, [psutil.Process(process.pid) for process in started[1:]])
    for process in started:
        process.kill()
        process.wait()


def test_a_worker_killed_in_the_middle(start: Start, cluster: Cluster, tmp_path: Path, bytes_of: BytesOf) -> None:
    """Generating on two workers, of which one dies, gives the very set that two local processes give."""
    how = ("generate", "digits", *RECIPE, "--limit", "400")
    run = start(*how, tmp_path / "cluster", "--engine", "dask", "--scheduler", cluster.address)
    journal = tmp_path / "cluster/.unfinished"
    while len(list(journal.glob("shard-*.npz"))) < 2:
        assert run.poll() is None, run.communicate()
        time.sleep(0.005)
    cluster.workers[0].kill()
    _, messages = run.communicate()
    assert run.returncode == 0, messages
    assert "400 images in" in messages
    local = start(*how, tmp_path / "local", "--workers", "2")
    assert (local.communicate(), local.returncode)[1] == 0
    assert bytes_of(tmp_path / "cluster") == bytes_of(tmp_path / "local")


def test_scoring_gives_the_counts_of_the_local_pool(start: Start, cluster: Cluster, tmp_path: Path) -> None:
    how = ("score", PLAIN, "--data", "digits", *RECIPE, "--limit", "96", "--name", "x")
    run = start(*how, "-o", "cluster", "--engine", "dask", "--scheduler", cluster.address)
    _, messages = run.communicate()
    assert run.returncode == 0, messages
    local = start(*how, "-o", "local", "--workers", "0")
    assert (local.communicate(), local.returncode)[1] == 0
    outcomes, expected = (tmp_path / folder / "x.npz" for folder in ("cluster", "local"))
    assert outcomes.read_bytes() == expected.read_bytes()


COUNTED = """
import os
from dataclasses import dataclass
from stormbench.errors import BrokenImageError

@dataclass
class Counted:
    calls: int = 0

    def __call__(self, item):
        self.calls += 1
        if item < 0:
            raise BrokenImageError("photo.jpg cannot be decoded")
        return os.getpid(), self.calls
"""


def test_a_task_is_unpacked_once_a_worker(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a task keeps, such as a model, lives as long as the worker; its errors come through as they are."""
    (tmp_path / "counted.py").write_text(COUNTED)
    monkeypatch.syspath_prepend(tmp_path)
    task = importlib.import_module("counted").Counted()
    done = [outcome for _, outcome in parallel.run(task, range(40), workers=Dask(cluster.address))]
    counts = {process: [calls for where, calls in done if where == process] for process, _ in done}
    assert all(sorted(calls) == list(range(1, len(calls) + 1)) for calls in counts.values())
    assert set(counts) <= {worker.pid for worker in cluster.workers}
    with pytest.raises(BrokenImageError, match=r"photo\.jpg"):
        list(parallel.run(task, [1, -1], workers=Dask(cluster.address)))


def test_a_scheduler_that_does_not_answer(start: Start) -> None:
    run = start("generate", "digits", "out", *RECIPE, "--engine", "dask", "--scheduler", "tcp://127.0.0.1:9")
    _, messages = run.communicate()
    assert (run.returncode, "Traceback" in messages) == (1, False), messages
    assert "stormbench: no Dask scheduler answers at 'tcp://127.0.0.1:9'" in messages


def test_engine_and_scheduler_go_together(start: Start) -> None:
    run = start("generate", "digits", "out", *RECIPE, "--engine", "dask")
    _, messages = run.communicate()
    assert run.returncode == 2
    assert "--scheduler" in messages
