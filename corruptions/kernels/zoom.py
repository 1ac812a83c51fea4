"""Magnifying the middle of an image without changing its size."""

from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import UNIT32, compiled, inlined
from stormbench.corruptions.kernels.estimates import doubtful, in_doubt
from stormbench.corruptions.kernels.lanes import fill_unit_values, load, spread, store

BAND = 32
"""Rows that are finished before the next are begun: their sums stay in the processor's cache."""

MANY = 4
"""If so many values a row are in doubt, it is worth to look for plain areas."""

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
        first32: ``first`` in single precision.
        second32: ``second`` likewise.
        inside: (side,), whether no layer looks outside.
        low: (side,), the first of the pixels ``before``.
        high: (side,), the last of them.
    """

    before: NDArray[np.int64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    first32: NDArray[np.float32]
    second32: NDArray[np.float32]
    inside: NDArray[np.bool_]
    low: NDArray[np.int64]
    high: NDArray[np.int64]


@lru_cache(maxsize=64)
def _layers(side: int, factors: tuple[float, ...]) -> Layers:
    grids = [grid(side, factor) for factor in factors]
    starts = [(side - kept(side, factor)) // 2 for factor in factors]
    before = np.stack([first + start for (first, _, _), start in zip(grids, starts, strict=True)])
    first, second = np.stack([parts[1] for parts in grids]), np.stack([parts[2] for parts in grids])
    inside = np.asarray((first + second > 0).all(axis=0))
    low, high = before.min(axis=0), before.max(axis=0)
    return Layers(before, first, second, first.astype(np.float32), second.astype(np.float32), inside, low, high)


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
    layers = len(factors)
    doubt = (layers + 13) * 256 / 2**24  # a term is rounded 13 times and once for each layer, by 1 in 2**24
    rows, columns = _layers(height, tuple(factors)), _layers(width, tuple(factors))
    values = np.empty(image.size + 1, np.float32)
    fill_unit_values(image.ravel(), values)
    out, marks = np.empty((height, 3 * width), np.uint8), np.empty((height, 3 * width), np.bool_)
    _estimate(values, rows, columns, np.float32(0.5 - doubt), out, marks)
    plain = np.zeros((height, width), np.uint32)
    if np.count_nonzero(marks) > MANY * height:
        _find_plain(image, plain)
        _settle_plain(plain, rows, columns, _under_flat(layers), out, marks)
    for places in doubtful(marks):
        _settle(values, places, rows, columns, plain, _under_flat(layers), out.ravel())
    return out.reshape(image.shape)


@inlined
def _add_layer(values, i, top, bottom, rows, columns, stretched, total):  # type: ignore[no-untyped-def]
    """Adds a band of layer i to ``total``: each source row is stretched once, then neighbouring ones are mixed."""
    length = total.shape[1]
    starts, left, right = columns.before[i], columns.first32[i], columns.second32[i]
    done = rows.before[i, top] - 1
    for y in range(top, bottom):
        place = rows.before[i, y]
        while done < place + 1:
            done += 1
            line = stretched[done & 1]
            for x in range(starts.size):
                start = done * length + 3 * starts[x]
                mixed = load(values, start) * spread(left[x]) + load(values, start + 3) * spread(right[x])
                store(line, 3 * x, mixed)
        upper, lower, levels = stretched[place & 1], stretched[(place + 1) & 1], total[y - top]
        above, below = rows.first32[i, y], rows.second32[i, y]
        for x in range(length):
            levels[x] += upper[x] * above + lower[x] * below


@compiled
def _estimate(values, rows, columns, sure, out, marks):  # type: ignore[no-untyped-def]
    """A band of rows at a time, layer by layer; the first layer is the image itself."""
    height, length = out.shape
    stretched, total = np.empty((2, length + 1), np.float32), np.empty((BAND, length), np.float32)
    share = np.float32(255.0 / (len(rows.before) + 1))
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        for y in range(top, bottom):
            levels, line = total[y - top], values[y * length : y * length + length]
            for x in range(length):
                levels[x] = line[x] + line[x]
        for i in range(1, len(rows.before)):
            _add_layer(values, i, top, bottom, rows, columns, stretched, total)
        for y in range(top, bottom):
            levels, line, marked = total[y - top], out[y], marks[y]
            for x in range(length):
                level = levels[x] * share
                line[x] = np.uint8(np.int32(level))
                marked[x] = in_doubt(level, sure)


@compiled
def _settle(values, places, rows, columns, plain, under_flat, out):  # type: ignore[no-untyped-def]
    """Takes single values in double, or looks them up where all layers show one colour."""
    width = plain.shape[1]
    pixel, one_colour = -1, False
    for place in places:
        y, x, k = place // (3 * width), place % (3 * width) // 3, place % 3
        if place // 3 != pixel:
            pixel, colour = place // 3, plain[y, x]
            one_colour = rows.inside[y] and columns.inside[x] and colour > 0
            if one_colour:
                for i in range(len(rows.before)):
                    one_colour = one_colour and plain[rows.before[i, y], columns.before[i, x]] == colour
        if one_colour:
            out[place] = under_flat[np.uint8(plain[y, x] >> np.uint32(8 * k))]
        else:
            out[place] = _exact(values, width, y, x, k, rows, columns)


@compiled
def _find_plain(image, plain):  # type: ignore[no-untyped-def]
    """The colour of a pixel, and above it a bit, where it is that of the one to its right and of the two below them."""
    for y in range(image.shape[0] - 1):
        for x in range(image.shape[1] - 1):
            colour = np.uint32(1 << 24)
            for k in range(3):
                here = image[y, x, k]
                same = (image[y, x + 1, k] == here) & (image[y + 1, x, k] == here) & (image[y + 1, x + 1, k] == here)
                colour = colour | np.uint32(here) << np.uint32(8 * k) if same else np.uint32(0)
                if not same:
                    break
            plain[y, x] = colour


@compiled
def _settle_plain(plain, rows, columns, under_flat, out, marks):  # type: ignore[no-untyped-def]
    """Settles the pixels that lie, with all places where layers look for them, in a rectangle of one colour.

    Rectangles are counted out from the number of pixels above and to the left of a corner that are not plain.
    """
    height, width = plain.shape
    broken = np.zeros((height + 1, width + 1), np.int32)
    for y in range(height):
        count = 0
        for x in range(width):
            count += plain[y, x] == 0
            broken[y + 1, x + 1] = broken[y, x + 1] + count
    for y in range(height):
        if not rows.inside[y]:
            continue
        upper, lower = broken[min(rows.low[y], y)], broken[max(rows.high[y], y) + 1]
        for x in range(width):
            left, right = min(columns.low[x], x), max(columns.high[x], x) + 1
            if columns.inside[x] and lower[right] - lower[left] - upper[right] + upper[left] == 0:
                for k in range(3):
                    out[y, 3 * x + k] = under_flat[np.uint8(plain[y, x] >> np.uint32(8 * k))]
                    marks[y, 3 * x + k] = False


@inlined
def _exact(values, width, y, x, k, rows, columns):  # type: ignore[no-untyped-def]
    """The byte of channel k of the pixel at (y, x), in double."""
    total = np.float32(0)
    for i in range(len(rows.before)):
        p, q = columns.first[i, x], columns.second[i, x]
        j = 3 * (rows.before[i, y] * width + columns.before[i, x]) + k
        below = j + 3 * width
        near, far = values[j] * p + values[j + 3] * q, values[below] * p + values[below + 3] * q
        total += np.float32(near * rows.first[i, y] + far * rows.second[i, y])
    mean = (values[3 * (y * width + x) + k] + total) / np.float32(len(rows.before) + 1)
    return np.uint8(np.int32(min(mean, np.float32(1)) * np.float32(255)))
