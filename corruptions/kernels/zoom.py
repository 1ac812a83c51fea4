"""Magnifying the middle of an image without changing its size."""

from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import UNIT32, compiled
from stormbench.corruptions.pixels import Pixels

BAND = 32
"""Rows that are finished before the next are begun: their sums stay in the processor's cache."""

Grid = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


def kept(side: int, factor: float) -> int:
    """How many pixels in the middle of a side are magnified: ceil(side / factor)."""
    return ceil(side / factor)


@lru_cache(maxsize=256)
def grid(side: int, factor: float) -> Grid:
    """Where each of the ``side`` output pixels lies among the kept ones.

    The c kept pixels become round(c factor), end on end: pixel k lies at k (c - 1) / (round(c factor) - 1). The middle
    ``side`` of them stay. (``scipy.ndimage.zoom`` of order 1; a place that rounding puts beyond the last kept pixel
    is outside for it, and so becomes 0.)

    Returns:
        The kept pixel at or before each place, its weight, and the weight of the one after it.
    """
    count = kept(side, factor)
    enlarged = round(count * factor)
    places = (np.arange(side) + (enlarged - side) // 2) * ((count - 1) / (enlarged - 1))
    before = np.minimum(np.floor(places).astype(np.int64), count - 2)
    share = places - before
    first = np.where(places > count - 1, 0.0, 1.0 - share)
    second = np.where(places > count - 1, 0.0, 1.0 - (1.0 - share))
    return before, first, second


def magnify(image: NDArray[Any], factor: float) -> NDArray[Any]:
    """The middle of the image, enlarged by ``factor`` to the image's own size.

    A side of S pixels keeps its middle c = ceil(S / factor) of them, which are resampled linearly, end to end, to
    round(c factor), of which the middle S stay. Each side of a non-square image is treated so by itself.

    Args:
        image: (H, W) or (H, W, C), float32 or float64.
        factor: 1 or more.

    Returns:
        An array of the same shape and type.
    """
    height, width = image.shape[:2]
    rows, columns = kept(height, factor), kept(width, factor)
    top, left = (height - rows) // 2, (width - columns) // 2
    return enlarge(image[top : top + rows, left : left + columns], height, width, factor)


def enlarge(middle: NDArray[Any], height: int, width: int, factor: float) -> NDArray[Any]:
    """``magnify`` for an image of which only the kept middle is given."""
    out = np.empty((height, width, *middle.shape[2:]), middle.dtype)
    channels = out.size // (height * width)
    flat = np.ascontiguousarray(middle).reshape(middle.shape[0], -1)
    _enlarge(flat, channels, *grid(height, factor), *grid(width, factor), out.reshape(height, -1))
    return out


@compiled
def _enlarge(image, channels, rows, above, below, columns, left, right, out):  # type: ignore[no-untyped-def]
    for y in range(out.shape[0]):
        upper, lower, u, v = image[rows[y]], image[rows[y] + 1], above[y], below[y]
        for x in range(columns.size):
            i, p, q = columns[x] * channels, left[x], right[x]
            for k in range(channels):
                near = (upper[i + k] * u) * p + (upper[i + channels + k] * u) * q
                out[y, x * channels + k] = (near + (lower[i + k] * v) * p) + (lower[i + channels + k] * v) * q


def zoom_blur(image: Pixels, factors: NDArray[np.float64]) -> Pixels:
    """The mean of x and of x magnified by each factor, summed in single precision in that order.

    Args:
        image: (H, W, 3).
        factors: each 1 or more.
    """
    height, width = image.shape[:2]
    out = np.empty_like(image)
    _zoom_blur(image, _layers(height, tuple(factors)), _layers(width, tuple(factors)), out)
    return out


@lru_cache(maxsize=64)
def _layers(
    side: int, factors: tuple[float, ...]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """The grids of all factors, counted in pixels of the whole side."""
    grids = [grid(side, factor) for factor in factors]
    starts = [(side - kept(side, factor)) // 2 for factor in factors]
    before = np.stack([first + start for (first, _, _), start in zip(grids, starts, strict=True)])
    return before, np.stack([g[1] for g in grids]), np.stack([g[2] for g in grids])


@compiled
def _stretch_row(line, columns, left, right, out):  # type: ignore[no-untyped-def]
    for x in range(columns.size):
        i, p, q = columns[x] * 4, left[x], right[x]
        for k in range(4):
            out[4 * x + k] = np.float64(line[i + k]) * p + np.float64(line[i + 4 + k]) * q


@compiled
def _add_mixed(total, upper, u, lower, v):  # type: ignore[no-untyped-def]
    for x in range(total.size):
        total[x] += np.float32(upper[x] * u + lower[x] * v)


@compiled
def _add_layer(plane, rows, columns, stretched, total):  # type: ignore[no-untyped-def]
    done = rows[0][0] - 1
    for y in range(rows[0].size):
        place = rows[0][y]
        while done < place + 1:
            done += 1
            _stretch_row(plane[done], columns[0], columns[1], columns[2], stretched[done % 2])
        _add_mixed(total[y], stretched[place % 2], rows[1][y], stretched[(place + 1) % 2], rows[2][y])


@compiled
def _zoom_blur(image, rows_of, columns_of, out):  # type: ignore[no-untyped-def]
    """A band of rows at a time, layer by layer; each source row is stretched once, then neighbouring ones are mixed.

    A pixel takes four places in a row, of which the last is empty: four doubles are one vector.
    """
    height, width = image.shape[:2]
    plane = np.zeros((height, 4 * width), np.float32)
    for y in range(height):
        for x in range(width):
            for k in range(3):
                plane[y, 4 * x + k] = UNIT32[image[y, x, k]]
    stretched, total = np.empty((2, 4 * width)), np.empty((BAND, 4 * width), np.float32)
    layers = rows_of[0].shape[0]
    for top in range(0, height, BAND):
        total[:] = 0
        bottom = min(top + BAND, height)
        for i in range(layers):
            rows = rows_of[0][i, top:bottom], rows_of[1][i, top:bottom], rows_of[2][i, top:bottom]
            columns = columns_of[0][i], columns_of[1][i], columns_of[2][i]
            _add_layer(plane, rows, columns, stretched, total)
        share = np.float32(layers + 1)
        for y in range(top, bottom):
            for x in range(width):
                for k in range(3):
                    mean = (plane[y, 4 * x + k] + total[y - top, 4 * x + k]) / share
                    out[y, x, k] = np.uint8(np.int32(min(max(mean, np.float32(0)), np.float32(1)) * np.float32(255)))
