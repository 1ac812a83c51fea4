"""Fog: a height map by diamond-square."""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import compiled

Field = NDArray[np.float64]


PIECE = 1 << 14
"""So many numbers are drawn at once: a landscape may be several times the image, its draws should not be as well."""


def plasma(size: int, decay: float, units: Callable[[Sequence[int]], list[Field]]) -> Field:
    """A fractal landscape that wraps around.

    Level by level, the middles of the squares and then of their edges become the mean of their four neighbours plus
    w U(-w, w), where w starts at 100 and is divided by ``decay`` from level to level.

    Args:
        size: side of the map, a power of two.
        decay: ratio of w between levels.
        units: draws so many numbers, uniform in 0..1, for each of several counts.

    Returns:
        (size, size), not yet brought to 0..1: see ``mix.fog``.
    """
    heights = np.zeros((size, size))
    for parts in _parts(size, decay):
        for part, unit in zip(parts, units([part.points for part in parts]), strict=True):
            _raise(heights, part.step, part.top, part.place, part.neighbours, part.wibble, unit)
    return heights


class _Part(NamedTuple):
    """Rows of squares of one level, in which one kind of point is set.

    Attributes:
        step: side of a square.
        top: the first row.
        place: where the point lies in its square.
        neighbours: where its four neighbours do, two and two.
        wibble: w.
        points: how many.
    """

    step: int
    top: int
    place: tuple[int, int]
    neighbours: tuple[int, ...]
    wibble: float
    points: int


@lru_cache(maxsize=32)
def _parts(size: int, decay: float) -> list[list[_Part]]:
    """All parts of a map, in the order of drawing; those together that a piece of draws suffices for."""
    groups: list[list[_Part]] = [[]]
    step, wibble = size, 100.0
    while step >= 2:
        rows = max(PIECE * step // size, 1) * step  # as many rows of squares as take a piece
        for place, neighbours in _points(step, step // 2):
            for top in range(0, size, rows):
                count = -(-min(rows, size - top) // step) * (size // step)
                if sum(part.points for part in groups[-1]) + count > PIECE:
                    groups.append([])
                groups[-1].append(_Part(step, top, place, neighbours, wibble, count))
        step, wibble = step // 2, wibble / decay
    return groups


@cache
def _points(step: int, half: int) -> list[tuple[tuple[int, int], tuple[int, ...]]]:
    """In the order of drawing: where a point lies in its square, and where its four neighbours do, two and two."""
    middle, above, left = (half, half), (0, half), (half, 0)
    return [
        (middle, (0, 0, step, 0, 0, step, step, step)),
        (above, (half, half, -half, half, 0, 0, 0, step)),
        (left, (half, half, half, -half, 0, 0, step, 0)),
    ]


@compiled
def _raise(heights, step, top, place, neighbours, wibble, unit):  # type: ignore[no-untyped-def]
    """Sets one point in each square, beginning with the row of squares at ``top``, until the draws are used up."""
    size = heights.shape[0]
    wrap = size - 1
    low, spread = -wibble, 2.0 * wibble
    a, b, c, d, e, f, g, h = neighbours
    n, row = 0, top
    while n < unit.size:
        first, second = heights[(row + a) & wrap], heights[(row + c) & wrap]
        third, fourth = heights[(row + e) & wrap], heights[(row + g) & wrap]
        out = heights[row + place[0]]
        for left in range(0, size, step):
            two = first[(left + b) & wrap] + second[(left + d) & wrap]
            four = two + (third[(left + f) & wrap] + fourth[(left + h) & wrap])
            out[left + place[1]] = four / 4.0 + wibble * (low + spread * unit[n])
            n += 1
        row += step
