"""Runs a task over items, in this process or in worker processes. Nothing else in the project knows which."""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from stormbench.errors import InputError, StormbenchError, WorkerDiedError
from stormbench.execution.cluster import run_on_cluster

Item = TypeVar("Item")


Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Dask:
    """The workers of a Dask cluster.

    Attributes:
        scheduler: the scheduler's address, such as ``tcp://10.0.0.1:8786``.
    """

    scheduler: str


Workers = int | Dask

_TASK, _STARTED = "task", "started-"
_DIED = "a worker process died (killed, or out of memory?); finished work is kept"
_UNGUARDED = 'starts workers while it is imported; call stormbench under `if __name__ == "__main__":`'
_DIED_AT_ONCE = (
    "a worker process died while starting: not enough memory, an import that fails, or a script that calls stormbench "
    'without `if __name__ == "__main__":`'
)


def run(task: Callable[[Item], Outcome], items: Iterable[Item], *, workers: Workers) -> Iterator[tuple[Item, Outcome]]:
    """Calls ``task`` on every item and yields ``(item, outcome)`` as they finish, in no fixed order.

    Args:
        task: a callable that can be pickled; it is sent to each worker once, so whatever it caches on itself (a
            model) lives as long as the worker.
        items: small and picklable; taken as workers come free, so there may be any number of them.
        workers: 0 or 1 for this process, else the number of worker processes; or a cluster.

    Raises:
        InputError: the task cannot be unpacked in a worker.
        WorkerDiedError: a worker process was killed (on a cluster: its item was given to others, who died of it too).
        Exception: the first error of any task; unfinished items are then given up.
    """
    if isinstance(workers, Dask):
        yield from run_on_cluster(task, items, workers.scheduler, _as_completed)
        return
    if workers <= 1:
        yield from ((item, task(item)) for item in items)
        return
    _refuse_worker_of_worker()
    with TemporaryDirectory(prefix="stormbench-", ignore_cleanup_errors=True) as folder:
        yield from _in_processes(task, items, workers, Path(folder))


def _refuse_worker_of_worker() -> None:
    """A script that starts workers wherever it is imported is imported by each of them."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(f"stormbench: {sys.argv[0]} {_UNGUARDED}")


def _in_processes(
    task: Callable[[Item], Outcome], items: Iterable[Item], workers: int, folder: Path
) -> Iterator[tuple[Item, Outcome]]:
    # Handed over in a file: a worker that dies while starting would leave us writing into a pipe that nobody reads.
    (folder / _TASK).write_bytes(pickle.dumps(task, pickle.HIGHEST_PROTOCOL))
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker, (folder,))
    try:
        yield from _as_completed(lambda item: pool.submit(_call, item), iter(items), lambda: 2 * workers)
    except BrokenProcessPool:
        raise WorkerDiedError(_DIED if any(folder.glob(f"{_STARTED}*")) else _DIED_AT_ONCE) from None
    finally:
        processes = list(pool._processes.values()) if pool._processes else []
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:  # those that are still at work are at work for nothing
            process.terminate()


def _as_completed(
    submit: Callable[[Any], Future[Any]], items: Iterator[Any], in_flight: Callable[[], int]
) -> Iterator[tuple[Any, Any]]:
    """Keeps so many items in the works that nobody waits, and no more."""
    pending: dict[Future[Any], Any] = {}
    while True:
        pending.update({submit(item): item for item in islice(items, max(0, in_flight() - len(pending)))})
        if not pending:
            return
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            yield pending.pop(future), future.result()


_task: Callable[[Any], Any]


def _start_worker(folder: Path) -> None:
    global _task
    threading.Thread(target=_die_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when an interrupt ends the run
    threadpool_limits(1)  # parallelism is over items; threads of several workers would only fight for the cores
    try:
        _task = pickle.loads((folder / _TASK).read_bytes())
    except Exception as error:  # whatever unpacking imports may raise
        _task = partial(_refuse, error)
    (folder / f"{_STARTED}{os.getpid()}").touch()


def _refuse(error: Exception, item: object) -> None:  # noqa: ARG001
    if isinstance(error, StormbenchError):
        raise error
    reason = " ".join(str(error).split())
    raise InputError(f"the work cannot be handed to worker processes: {type(error).__name__}: {reason}; use 0 workers")


def _die_with_parent() -> None:
    """A killed parent must not leave workers behind."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for([parent.sentinel])
    os._exit(1)


def _call(item: Any) -> Any:
    return _task(item)
