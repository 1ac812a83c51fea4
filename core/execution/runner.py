"""Runs a task over all shards that its journal lacks, with progress and throughput."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from stormbench.errors import BrokenImageError
from stormbench.execution import parallel
from stormbench.execution.journal import Journal
from stormbench.execution.parallel import Workers
from stormbench.execution.shards import Shard
from stormbench.execution.timing import take_spent
from stormbench.files import Arrays

logger = logging.getLogger(__name__)


_NAMED_AT_MOST = 20


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


def run_shards(
    task: Callable[[Shard], Arrays],
    journal: Journal,
    shards: Sequence[Shard],
    *,
    workers: Workers,
    progress: Callable[[int, int], None] | None,
    enough: Callable[[], bool] | None = None,
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
        enough: asked before the first shard and after each: whether the run may end before all shards are done. Such a
            run ends at the first image that cannot be decoded, too.

    Raises:
        BrokenImageError: an image could not be decoded; everything but its shard is done.
    """
    if enough and enough():
        return
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
            if enough:
                break
            continue
        journal.record(shard, outcome.arrays)
        done += len(shard)
        report(done, total)
        if enough and enough():
            break
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


Progress = Callable[[int, int], None]
