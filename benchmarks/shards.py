"""The unit of work is a shard: a contiguous range of images, all requested cells. A journal remembers finished ones."""

import io
import json
import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import filelock
import numpy as np
from numpy.typing import NDArray

from stormbench import parallel
from stormbench.errors import BrokenImageError, ResultError, SettingsChangedError
from stormbench.files import write_whole
from stormbench.parallel import Workers
from stormbench.timing import take_spent

logger = logging.getLogger(__name__)

_NAMED_AT_MOST = 20

Arrays = Mapping[str, NDArray[Any]]

Cell = TypeVar("Cell")


@dataclass(frozen=True)
class Shard:
    """Images ``start`` to ``stop`` (excluded) of a data set."""

    index: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def turned(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells in this shard's own order: the second one starts in the middle, the third at a quarter, and so on.

        Workers that set out together then compile different kernels, and find each other's in numba's cache.

        Example:
            >>> [Shard(index, 0, 1).turned("abcd")[0] for index in range(5)]
            ['a', 'c', 'b', 'd', 'a']
        """
        digits = f"{self.index:b}"[::-1]
        start = int(digits, 2) * len(cells) >> len(digits)
        return [*cells[start:], *cells[:start]]


def split(count: int, size: int) -> list[Shard]:
    """Cuts ``count`` images into shards of ``size``; the last one may be smaller.

    Example:
        >>> split(5, 2)
        [Shard(index=0, start=0, stop=2), Shard(index=1, start=2, stop=4), Shard(index=2, start=4, stop=5)]
    """
    return [Shard(index, start, min(start + size, count)) for index, start in enumerate(range(0, count, size))]


class Journal:
    """A folder that remembers which shards of a run are finished, and with what settings the run was started.

    A record is written whole and flushed to the disk before its shard counts as finished, so a run that is killed at
    any moment continues where it was.

    Args:
        folder: where the journal lives while the run is unfinished.
        settings: everything that determines the run's outcome, as JSON values.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.settings = json.loads(json.dumps(settings))

    @contextmanager
    def open(self) -> Iterator[None]:
        """Takes the journal for this process, after checking that it is this run's.

        Raises:
            SettingsChangedError: the unfinished run in this folder has other settings; the message says which.
            ResultError: another process is at work on this run.
        """
        with self.lock():
            self._check_settings()
            yield

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other processes out; the system lets them in again when the owner dies.

        Raises:
            ResultError: another process is at work on this run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise ResultError(
                f"another process is at work on {self.folder}; wait for it or choose another name"
            ) from None
        with lock:
            yield

    def covers(self, cells: Sequence[tuple[str, int]]) -> bool:
        """Whether this is the journal of a run whose cells are all among these."""
        try:
            begun = json.loads((self.folder / "settings.json").read_bytes())
        except FileNotFoundError:
            return self.folder.exists()
        return all(tuple(cell) in cells for cell in begun["cells"])

    def _check_settings(self) -> None:
        path = self.folder / "settings.json"
        if self.finished():
            refuse_changes(json.loads(path.read_text()), self.settings, where=str(self.folder))
        else:
            write_whole(path, json.dumps(self.settings, indent=1).encode(), durable=True)

    def finished(self) -> set[int]:
        """The indices of the shards that are done."""
        return {int(path.stem.split("-")[1]) for path in self.folder.glob("shard-*.npz")}

    def record(self, shard: Shard, arrays: Arrays) -> None:
        """Marks a shard as done and keeps its arrays."""
        write_whole(self._path(shard.index), npz(arrays), durable=True)

    def read(self, index: int) -> dict[str, NDArray[Any]]:
        """The arrays of a finished shard."""
        with np.load(self._path(index), allow_pickle=False) as arrays:
            return dict(arrays)

    def remove(self) -> None:
        """Forgets the run: its outcome lies elsewhere now."""
        shutil.rmtree(self.folder)

    def _path(self, index: int) -> Path:
        return self.folder / f"shard-{index:07d}.npz"


@dataclass(frozen=True)
class _Done:
    """What became of a shard: its arrays, or what is wrong with one of its images; and where the time went."""

    arrays: Arrays | None
    broken: str
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class _Watched:
    """A task that tells where its time went, and for which a broken image is no reason to stop the others."""

    task: Callable[[Shard], Arrays]

    def __call__(self, shard: Shard) -> _Done:
        take_spent()
        try:
            return _Done(self.task(shard), "", take_spent())
        except BrokenImageError as error:
            return _Done(None, str(error), take_spent())


def work_off(
    task: Callable[[Shard], Arrays],
    journal: Journal,
    shards: Sequence[Shard],
    *,
    workers: Workers,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Runs a task on the shards that the journal has not, and records each as it is finished.

    At the end a message in the log says how fast it went and where the time was spent, if the task tells
    (``spent_on``): an attack, which works off one row after the other, does not.

    Args:
        task: a callable that can be pickled.
        journal: open.
        shards: all of the run.
        workers: number of worker processes, or a cluster.
        progress: called with the number of images done and the number of all.

    Raises:
        BrokenImageError: an image could not be decoded; everything but its shard is done.
    """
    finished = journal.finished()
    missing = [shard for shard in shards if shard.index not in finished]
    total = sum(map(len, shards))
    before = done = total - sum(map(len, missing))
    report = progress or (lambda done, total: None)  # noqa: ARG005
    report(done, total)
    broken, seconds, begun = [], Counter[str](), time.perf_counter()
    for shard, outcome in parallel.run(_Watched(task), missing, workers=workers):
        seconds.update(outcome.seconds)
        if outcome.arrays is None:
            broken.append(outcome.broken)
            continue
        journal.record(shard, outcome.arrays)
        done += len(shard)
        report(done, total)
    if broken:
        more = f"; and {len(broken) - _NAMED_AT_MOST} more" if len(broken) > _NAMED_AT_MOST else ""
        raise BrokenImageError(
            f"{'; '.join(broken[:_NAMED_AT_MOST])}{more}; all shards without such images are done and kept"
        )
    if done > before and seconds:
        logger.info(throughput(done - before, time.perf_counter() - begun, seconds))


def throughput(images: int, wall: float, seconds: Mapping[str, float]) -> str:
    """One line on how fast a run was and where its time went.

    Args:
        images: how many.
        wall: how long it took, in seconds.
        seconds: spent by all workers, by kind of work.

    Example:
        >>> throughput(200, 10.0, {"decode": 4.0, "corrupt": 12.0})
        '200 images in 10.0 s: 20.0 images/s; decode 25 %, corrupt 75 %'
    """
    whole = sum(seconds.values())
    shares = ", ".join(f"{what} {100 * spent / whole:.0f} %" for what, spent in seconds.items())
    return f"{images} images in {wall:.1f} s: {images / max(wall, 1e-9):.1f} images/s{f'; {shares}' if shares else ''}"


def npz(arrays: Arrays) -> bytes:
    """Named arrays as the bytes of a compressed ``.npz`` file; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def refuse_changes(then: Mapping[str, Any], now: Mapping[str, Any], *, where: str) -> None:
    """Compares the settings of a run with those it was started with.

    Raises:
        SettingsChangedError: they differ; the message names the first setting that does, and both values.
    """
    for name, before, after in _changes(then, now):
        raise SettingsChangedError(
            f"{where} was made with {name} {_short(before)}, this run has {_short(after)}; "
            "choose another name or output folder, or remove it"
        )


def _changes(then: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name in [*now, *(then.keys() - now.keys())]:
        before, after = then.get(name), now.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _changes(before, after, f"{prefix}{name}.")
        elif before != after:
            yield f"{prefix}{name}", before, after


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
