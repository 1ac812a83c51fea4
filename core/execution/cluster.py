"""Runs a task over items on the workers of a Dask cluster; ``stormbench.execution.parallel`` is the way in."""

import pickle
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from stormbench.errors import InputError, MissingDependencyError, WorkerDiedError
from stormbench.versions import version_of

Item = TypeVar("Item")


_SECONDS_TO_CONNECT = 15


# Libraries that make pixels and predictions: workers with others would make other bytes.
_SAME_EVERYWHERE = ("stormbench", "numpy", "scipy", "opencv-python", "Pillow", "torch", "webdataset")


AsCompleted = Callable[[Callable[[Any], "Future[Any]"], Iterator[Any], Callable[[], int]], Iterator[tuple[Any, Any]]]


def run_on_cluster(
    task: Callable[[Item], Any], items: Iterable[Item], scheduler: str, as_completed: AsCompleted
) -> Iterator[tuple[Item, Any]]:
    """Calls ``task`` on every item on a cluster and yields ``(item, outcome)`` as they finish.

    The task travels to each worker once and is unpacked there once. An item whose worker dies is given to another.

    Args:
        task: a callable that can be pickled.
        items: small and picklable.
        scheduler: address of the Dask scheduler.
        as_completed: hands items out and collects outcomes.

    Raises:
        InputError: no scheduler answers, or it has no workers.
        WorkerDiedError: workers died, again and again, on the same item.
        Exception: the first error of any task.
    """
    from distributed.scheduler import KilledWorker

    client = _connect(scheduler)
    with client, client.get_executor(pure=False) as executor:
        token = uuid.uuid4().hex
        parcel = client.scatter([pickle.dumps((task, _versions()))], broadcast=True, hash=False)[0]
        try:
            yield from as_completed(
                lambda item: executor.submit(_call, token, parcel, item),
                iter(items),
                lambda: 2 * max(1, len(client.nthreads())),  # workers may come and go
            )
        except (KilledWorker, CancelledError):
            raise WorkerDiedError(
                f"workers of {scheduler} died again and again (killed, or out of memory?); finished work is kept"
            ) from None


def _connect(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise MissingDependencyError("--engine dask needs Dask: pip install 'stormbench[dask]'") from None
    try:
        client = Client(scheduler, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {scheduler!r}: {' '.join(str(error).split())}") from None
    try:
        client.wait_for_workers(1, timeout=_SECONDS_TO_CONNECT)
    except TimeoutError:
        client.close()
        raise InputError(f"the Dask scheduler at {scheduler} has no workers; start some with `dask worker`") from None
    return client


def _versions() -> dict[str, str | None]:
    return {library: _version(library) for library in _SAME_EVERYWHERE}


def _version(library: str) -> str | None:
    try:
        return version_of(library)
    except MissingDependencyError:
        return None


# What follows happens in a worker.
_one_at_a_time = threading.Lock()  # a task may keep a model, and models with random states are not for two threads


_unpacked: dict[str, Callable[[Any], Any]] = {}


def _call(token: str, parcel: bytes, item: Any) -> Any:
    with _one_at_a_time:
        if token not in _unpacked:
            _unpacked.clear()  # an earlier run's
            task, versions = pickle.loads(parcel)
            _refuse_other_versions(versions)
            threadpool_limits(1)
            _unpacked[token] = task
        return _unpacked[token](item)


def _refuse_other_versions(wanted: Mapping[str, str | None]) -> None:
    for library, version in _versions().items():
        if version != wanted[library]:
            raise InputError(
                f"a worker has {library} {version}, the client {wanted[library]}; install the same on all machines"
            )
