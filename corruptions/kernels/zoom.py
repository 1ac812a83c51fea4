"""Magnifying the middle of an image without changing its size."""

from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import UNIT32, compiled
from stormbench.corruptions.kernels.estimates import in_doubt, new_marks
from stormbench.corruptions.kernels.lanes import load, spread, store, unit_values
from stormbench.corruptions.pixels import Pixels

BAND = 32
"""Rows that are finished before the next are begun: their sums stay in the processor's cache."""

MANY = 32
"""If so many values of a row are in doubt, it is worth to look for plain areas."""

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


class Layers(NamedTuple):
    """The grids of all factors along one side, counted in pixels of the whole side.

    Attributes:
        before: (layers, side), the pixel at or before each place.
        first: its weight.
        second: the weight of the pixel after it.
        inside: (side,), whether no layer looks outside.
    """

    before: NDArray[np.int64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    inside: NDArray[np.bool_]


@lru_cache(maxsize=64)
def _layers(side: int, factors: tuple[float, ...]) -> Layers:
    grids = [grid(side, factor) for factor in factors]
    starts = [(side - kept(side, factor)) // 2 for factor in factors]
    before = np.stack([first + start for (first, _, _), start in zip(grids, starts, strict=True)])
    first, second = np.stack([parts[1] for parts in grids]), np.stack([parts[2] for parts in grids])
    return Layers(before, first, second, np.asarray((first + second > 0).all(axis=0)))


@lru_cache(maxsize=16)
def _under_flat(layers: int) -> Pixels:
    """What becomes of each grey level where all layers show it."""
    total = UNIT32 * np.float32(0)
    for _ in range(layers):
        total += UNIT32
    return ((UNIT32 + total) / np.float32(layers + 1) * np.float32(255)).astype(np.int32).astype(np.uint8)


def zoom_blur(image: Pixels, factors: NDArray[np.float64]) -> Pixels:
    """The mean of x and of x magnified by each factor, summed in single precision in that order.

    Each layer is interpolated in double and rounded to single precision. The mean is estimated in single precision
    throughout, and computed so only where the estimate is too near a whole grey level to decide.

    Args:
        image: (H, W, 3).
        factors: each 1 or more, the first of them 1.
    """
    height, width = image.shape[:2]
    out = np.empty_like(image)
    layers = len(factors)
    doubt = (layers + 13) * 256 / 2**24  # a term is rounded 13 times and once for each layer, by 1 in 2**24
    rows, columns = _layers(height, tuple(factors)), _layers(width, tuple(factors))
    _zoom_blur(image, rows, columns, np.float32(0.5 - doubt), _under_flat(layers), out.reshape(height, -1))
    return out


@compiled
def _add_layer(values, rows, above, below, columns, left, right, stretched, total):  # type: ignore[no-untyped-def]
    """Adds one layer's rows to ``total``: each source row is stretched once, then neighbouring ones are mixed."""
    length = total.shape[1]
    done = rows[0] - 1
    for y in range(rows.size):
        place = rows[y]
        while done < place + 1:
            done += 1
            start, line = done * length, stretched[done & 1]
            for x in range(columns.size):
                i = start + 3 * columns[x]
                store(line, 3 * x, load(values, i) * spread(left[x]) + load(values, i + 3) * spread(right[x]))
        upper, lower, line = stretched[place & 1], stretched[(place + 1) & 1], total[y]
        for x in range(length):
            line[x] += upper[x] * above[y] + lower[x] * below[y]


@compiled
def _sum_layers(values, rows, columns, top, stretched, total):  # type: ignore[no-untyped-def]
    """The sum of x and of all layers, the first of which is x, in a band of rows."""
    bottom, length = top + len(total), total.shape[1]
    flat, band = total.ravel(), values[top * length : bottom * length]
    for x in range(flat.size):
        flat[x] = band[x] + band[x]
    for i in range(1, len(rows.before)):
        above, below = rows.first[i, top:bottom].astype(np.float32), rows.second[i, top:bottom].astype(np.float32)
        left, right = columns.first[i].astype(np.float32), columns.second[i].astype(np.float32)
        _add_layer(values, rows.before[i, top:bottom], above, below, columns.before[i], left, right, stretched, total)


@compiled
def _zoom_blur(image, rows, columns, sure, under_flat, out):  # type: ignore[no-untyped-def]
    """A band of rows at a time, layer by layer."""
    height, length = out.shape
    values = unit_values(image)
    stretched, sums = np.empty((2, length + 1), np.float32), np.empty((BAND, length), np.float32)
    marks, places = new_marks(length), np.empty(length, np.int64)
    plain = np.empty((0, 0), np.bool_)
    share = np.float32(255.0 / (len(rows.before) + 1))
    for top in range(0, height, BAND):
        total = sums[: min(BAND, height - top)]
        _sum_layers(values, rows, columns, top, stretched, total)
        for y in range(top, top + len(total)):
            levels, line = total[y - top], out[y]
            for x in range(length):
                levels[x] *= share
                line[x] = np.uint8(np.int32(levels[x]))
            doubtful = places[: in_doubt(levels, sure, marks, places)]
            if doubtful.size > MANY and plain.size == 0:
                plain = _plain(image)
            _settle(image, values, y, doubtful, rows, columns, plain, under_flat, line)


@compiled
def _settle(image, values, y, places, rows, columns, plain, under_flat, line):  # type: ignore[no-untyped-def]
    """Takes values of row y in double, or looks them up where all layers show one colour."""
    for x in places:
        if plain.size > 0 and _shows_one_colour(image, plain, y, x // 3, rows, columns):
            line[x] = under_flat[image[y, x // 3, x % 3]]
        else:
            line[x] = _exact(values, line.size, y, x, rows, columns)


@compiled
def _plain(image):  # type: ignore[no-untyped-def]
    """Whether a pixel, the one to its right and the two below them have one colour."""
    plain = np.zeros(image.shape[:2], np.bool_)
    for y in range(image.shape[0] - 1):
        for x in range(image.shape[1] - 1):
            same = True
            for k in range(3):
                here = image[y, x, k]
                same &= (image[y, x + 1, k] == here) & (image[y + 1, x, k] == here) & (image[y + 1, x + 1, k] == here)
            plain[y, x] = same
    return plain


@compiled
def _shows_one_colour(image, plain, y, x, rows, columns):  # type: ignore[no-untyped-def]
    here = image[y, x]
    for i in range(len(rows.before)):
        row, column = rows.before[i, y], columns.before[i, x]
        there = image[row, column]
        if not plain[row, column] or there[0] != here[0] or there[1] != here[1] or there[2] != here[2]:
            return False
    return rows.inside[y] and columns.inside[x]


@compiled
def _exact(values, length, y, x, rows, columns):  # type: ignore[no-untyped-def]
    """The byte at place x of row y, which is channel x % 3 of pixel x // 3, in double."""
    pixel, k = x // 3, x % 3
    total = np.float32(0)
    for i in range(len(rows.before)):
        p, q = columns.first[i, pixel], columns.second[i, pixel]
        j = rows.before[i, y] * length + 3 * columns.before[i, pixel] + k
        near, far = values[j] * p + values[j + 3] * q, values[j + length] * p + values[j + length + 3] * q
        total += np.float32(near * rows.first[i, y] + far * rows.second[i, y])
    mean = (values[y * length + x] + total) / np.float32(len(rows.before) + 1)
    return np.uint8(np.int32(min(mean, np.float32(1)) * np.float32(255)))
