import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
import pytest

from stormbench.errors import InputError, WorkerDiedError
from stormbench.execution import parallel


@dataclass
class Double:
    calls: list[int] = field(default_factory=list)

    def __call__(self, item: int) -> tuple[int, int]:
        self.calls.append(item)
        return 2 * item, len(self.calls)


def fail_on_three(item: int) -> int:
    if item == 3:
        raise InputError("three is not wanted")
    return item


def die_on_three(item: int) -> int:
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


WorkersOf = Callable[[int], list[psutil.Process]]


def assert_ended(processes: list[psutil.Process]) -> None:
    assert not psutil.wait_procs(processes, timeout=10)[1]


@pytest.mark.parametrize("workers", [0, 2])
def test_every_item_is_done_once(workers: int) -> None:
    outcomes = dict(parallel.run(Double(), range(20), workers=workers))
    assert {item: double for item, (double, _) in outcomes.items()} == {item: 2 * item for item in range(20)}


def test_a_worker_keeps_its_task() -> None:
    """What a task caches on itself, such as a model, lives as long as the worker."""
    counts = [count for _, (_, count) in parallel.run(Double(), range(20), workers=2)]
    assert max(counts) > 1
    assert sorted(counts).count(1) <= 2


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_a_task_comes_through_as_it_is(workers: int, workers_of: WorkersOf) -> None:
    with pytest.raises(InputError, match="three"):
        list(parallel.run(fail_on_three, range(100), workers=workers))
    assert_ended(workers_of(os.getpid()))


def test_a_killed_worker_is_said_so() -> None:
    with pytest.raises(WorkerDiedError):
        list(parallel.run(die_on_three, range(100), workers=2))


def test_giving_up_leaves_no_process(workers_of: WorkersOf) -> None:
    run = parallel.run(fail_on_three, iter([1, 2]), workers=2)
    next(run)
    workers = workers_of(os.getpid())
    assert workers
    run.close()
    assert_ended(workers)
