"""Fog: a height map by diamond-square."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import compiled

Field = NDArray[np.float64]


def plasma(size: int, decay: float, unit: Callable[[int], Field]) -> Field:
    """A fractal landscape that wraps around.

    Level by level, the middles of the squares and then of their edges become the mean of their four neighbours plus
    w U(-w, w), where w starts at 100 and is divided by ``decay`` from level to level.

    Args:
        size: side of the map, a power of two.
        decay: ratio of w between levels.
        unit: draws so many numbers, uniform in 0..1.

    Returns:
        (size, size), not yet brought to 0..1: see ``mix.fog``.
    """
    heights = np.zeros((size, size))
    _plasma(heights, decay, unit(size * size - 1))
    return heights


@compiled
def _plasma(heights, decay, unit):  # type: ignore[no-untyped-def]
    """Draws are used up level by level: middles, then the edges above them, then those to their left."""
    size = heights.shape[0]
    wrap = size - 1
    step, wibble, n = size, 100.0, 0
    while step >= 2:
        half, low, spread = step // 2, -wibble, 2.0 * wibble
        for row in range(0, size, step):
            upper, lower, out = heights[row], heights[(row + step) & wrap], heights[row + half]
            for left in range(0, size, step):
                right = (left + step) & wrap
                four = (upper[left] + lower[left]) + (upper[right] + lower[right])
                out[left + half] = four / 4.0 + wibble * (low + spread * unit[n])
                n += 1
        for row in range(0, size, step):
            corners, middles, before = heights[row], heights[row + half], heights[(row - half) & wrap]
            for left in range(0, size, step):
                four = (middles[left + half] + before[left + half]) + (corners[left] + corners[(left + step) & wrap])
                corners[left + half] = four / 4.0 + wibble * (low + spread * unit[n])
                n += 1
        for row in range(0, size, step):
            corners, middles, after = heights[row], heights[row + half], heights[(row + step) & wrap]
            for left in range(0, size, step):
                four = (middles[left + half] + middles[(left - half) & wrap]) + (corners[left] + after[left])
                middles[left] = four / 4.0 + wibble * (low + spread * unit[n])
                n += 1
        step, wibble = half, wibble / decay
