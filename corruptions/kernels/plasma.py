"""Fog: a height map by diamond-square."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]


def plasma(size: int, decay: float, uniform: Callable[[float, float, tuple[int, ...]], Field]) -> Field:
    """A fractal landscape that wraps around.

    Level by level, the middles of the squares and then of their edges become the mean of their four neighbours plus
    w U(-w, w), where w starts at 100 and is divided by ``decay`` from level to level.

    Args:
        size: side of the map, a power of two.
        decay: ratio of w between levels.
        uniform: draws a field of uniform numbers, given bounds and shape.

    Returns:
        (size, size), from 0 to 1.
    """
    heights = np.zeros((size, size))
    step, wibble = size, 100.0
    while step >= 2:
        half = step // 2

        def settle(neighbours: Field, wibble: float = wibble) -> Field:
            return neighbours / 4 + wibble * uniform(-wibble, wibble, neighbours.shape)

        corners = heights[::step, ::step]
        columns = corners + np.roll(corners, -1, axis=0)
        heights[half::step, half::step] = settle(columns + np.roll(columns, -1, axis=1))
        middles = heights[half::step, half::step]
        heights[::step, half::step] = settle(
            (middles + np.roll(middles, 1, axis=0)) + (corners + np.roll(corners, -1, axis=1))
        )
        heights[half::step, ::step] = settle(
            (middles + np.roll(middles, 1, axis=1)) + (corners + np.roll(corners, -1, axis=0))
        )
        step //= 2
        wibble /= decay
    heights -= heights.min()
    return np.asarray(heights / heights.max())
