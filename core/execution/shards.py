"""Shards: contiguous ranges of images, the unit of work and of resuming."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """Images ``start`` to ``stop`` (excluded) of a data set."""

    index: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def rotated(self, cells: Sequence[Item]) -> list[Item]:
        """The cells in this shard's own order: the second one starts in the middle, the third at a quarter, and so on.

        Workers that set out together then compile different kernels, and find each other's in numba's cache.

        Example:
            >>> [Shard(index, 0, 1).rotated("abcd")[0] for index in range(5)]
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
