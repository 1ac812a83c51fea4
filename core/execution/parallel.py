"""Runs a task over items, in this process or in worker processes. Nothing else in the project knows which."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import wait as wait_for
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from stormbench.errors import WorkerDiedError
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


def run(task: Callable[[Item], Outcome], items: Iterable[Item], *, workers: Workers) -> Iterator[tuple[Item, Outcome]]:
    """Calls ``task`` on every item and yields ``(item, outcome)`` as they finish, in no fixed order.

    Args:
        task: a callable that can be pickled; it is sent to each worker once, so whatever it caches on itself (a
            model) lives as long as the worker.
        items: small and picklable; taken as workers come free, so there may be any number of them.
        workers: 0 or 1 for this process, else the number of worker processes; or a cluster.

    Raises:
        WorkerDiedError: a worker process was killed (on a cluster: its item was given to others, who died of it too).
        Exception: the first error of any task; unfinished items are then given up.
    """
    if isinstance(workers, Dask):
        yield from run_on_cluster(task, items, workers.scheduler, _as_completed)
        return
    if workers <= 1:
        yield from ((item, task(item)) for item in items)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker, (task,))
    try:
        yield from _as_completed(lambda item: pool.submit(_call, item), iter(items), lambda: 2 * workers)
    except BrokenProcessPool:
        raise WorkerDiedError("a worker process died (killed, or out of memory?); finished work is kept") from None
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


def _start_worker(task: Callable[[Any], Any]) -> None:
    global _task
    _task = task
    threadpool_limits(1)  # parallelism is over items; threads of several workers would only fight for the cores
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when an interrupt ends the run
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """A killed parent must not leave workers behind."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for([parent.sentinel])
    os._exit(1)


def _call(item: Any) -> Any:
    return _task(item)
