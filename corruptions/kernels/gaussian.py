"""Gaussian filters, to the bit as SciPy's: same weights, same order of summation.

G(x)[i] = w[0] x[i] + sum over j = r .. 1 of (x[i - j] + x[i + j]) w[j], along the rows' axis, then along the columns'.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import UNIT, compiled, inlined, to_byte
from stormbench.corruptions.kernels.estimates import doubtful, in_doubt
from stormbench.corruptions.kernels.mix import thinned

Field = NDArray[np.float64]
Indices = NDArray[np.int64]
Border = Callable[[int, int], Indices]

MANY = 16
"""If so many values of a row are in doubt, the whole row is taken in double."""

BAND = 64
"""So many rows are held in double at once."""


@lru_cache(maxsize=64)
def half_weights(sigma: float, truncate: float = 4.0) -> Field:
    """w[0 .. r] of the normalised Gaussian cut at r = trunc(truncate sigma + 0.5); one weight for sigma 0."""
    radius = int(truncate * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * offsets**2) if sigma > 0 else np.ones(1)
    return np.asarray(weights / weights.sum())[radius:].copy()


def nearest(side: int, radius: int) -> Indices:
    """Indices of ``-radius .. side + radius - 1`` with the edge replicated: a a | a b c | c c."""
    return np.clip(np.arange(-radius, side + radius), 0, side - 1)


def reflected(side: int, radius: int) -> Indices:
    """The same mirrored at the outside of the edge pixels: b a | a b c | c b."""
    around = np.arange(-radius, side + radius) % (2 * side)
    return np.minimum(around, 2 * side - 1 - around)


class Lines(NamedTuple):
    """Where to find the lines that a pass sums, for images of one shape and filters of one radius.

    Attributes:
        rows: (H + 2 r,), where in the image's values the rows -r .. H + r - 1 begin.
        sides: (W + 2 r,), where in a row with its borders the pixels begin that stand for -r .. W + r - 1.
        along: (2 r + 1,), where in a row with its borders a row begins that is moved by -r .. r pixels.
    """

    rows: Indices
    sides: Indices
    along: Indices


@lru_cache(maxsize=64)
def lines(shape: tuple[int, ...], radius: int, border: Border) -> Lines:
    """The lines of an image of shape (H, W) or (H, W, C)."""
    height, width = shape[:2]
    channels = shape[2] if len(shape) == 3 else 1
    sides = (border(width, radius) + radius) * channels
    return Lines(border(height, radius) * width * channels, sides, np.arange(2 * radius + 1) * channels)


def smooth_pixels(image: Pixels, sigma: float) -> Pixels:
    """G of each channel of value / 255, cut at 4 sigma, borders replicated, quantised.

    It is estimated in single precision, and taken in double where the estimate is too near a whole level to decide.

    Args:
        image: (H, W, C).
        sigma: pixels.
    """
    weights = half_weights(sigma)
    height, width, channels = image.shape
    radius, length = len(weights) - 1, width * channels
    doubt = (2 * radius + 10) * 256 / 2**24  # along each axis a term is rounded once for each sum, and 5 times more
    where = lines(image.shape, radius, nearest)
    out, marks = np.empty((height, length), np.uint8), np.empty((height, length), np.bool_)
    counts = np.empty(height, np.int64)
    values = image.ravel()
    _estimate(
        values.astype(np.float32),
        channels,
        weights.astype(np.float32),
        where,
        np.float32(0.5 - doubt),
        out,
        marks,
        counts,
    )
    for first, last in bands(counts > MANY):
        _take_in_double(image.reshape(height, -1), first, last, channels, weights, where, out)
        marks[first:last] = False
    for places in doubtful(marks):
        _settle(values, places, channels, weights, where, out.ravel())
    return out.reshape(image.shape)


def bands(chosen: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Where rows are chosen that follow each other, the first of them and the one after the last; 64 at most."""
    if not chosen.any():
        return
    edges = np.flatnonzero(np.diff(chosen, prepend=False, append=False)).tolist()
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        for start in range(first, last, BAND):
            yield start, min(start + BAND, last)


def _take_in_double(
    levels: Pixels, first: int, last: int, channels: int, weights: Field, where: Lines, out: Pixels
) -> None:
    """Writes some rows of G that follow each other."""
    radius, length = len(weights) - 1, levels.shape[1]
    top = max(first - radius, 0)
    values = levels[top : last + radius].ravel() / 255.0
    near = where._replace(rows=where.rows[first : last + 2 * radius] - top * length)
    exact = np.empty((last - first, length))
    _smooth_rows(values, np.arange(last - first), channels, weights, near, False, exact)
    out[first:last] = thinned(exact, 0.0)


def smooth_field(field: Field, weights: Field, border: Border, *, single: bool = False) -> Field:
    """G of a field of doubles.

    Args:
        field: (H, W).
        weights: w[0 .. r].
        border: ``nearest`` or ``reflected``.
        single: round to single precision after each of the two directions, as SciPy does with such fields.
    """
    out = np.empty_like(field)
    where = lines(field.shape, len(weights) - 1, border)
    _smooth_rows(field.ravel(), np.arange(len(field)), 1, weights, where, single, out)
    return out


@inlined
def _weigh(values, starts, weights, total):  # type: ignore[no-untyped-def]
    """The sum of the lines of ``values`` that begin at ``starts``: the middle one, then pairs from the outermost in."""
    length, radius = total.size, weights.size - 1
    middle, weight = values[starts[radius] : starts[radius] + length], weights[0]
    for x in range(length):
        total[x] = middle[x] * weight
    j = radius
    while j > 1:
        a, b, c, d = starts[radius - j], starts[radius + j], starts[radius - j + 1], starts[radius + j - 1]
        far, far_too = values[a : a + length], values[b : b + length]
        near, near_too = values[c : c + length], values[d : d + length]
        w, v = weights[j], weights[j - 1]
        for x in range(length):
            total[x] = (total[x] + (far[x] + far_too[x]) * w) + (near[x] + near_too[x]) * v
        j -= 2
    if j == 1:
        a, b, w = starts[radius - 1], starts[radius + 1], weights[1]
        near, near_too = values[a : a + length], values[b : b + length]
        for x in range(length):
            total[x] += (near[x] + near_too[x]) * w


@inlined
def _smooth_row(values, y, channels, weights, where, single, line, total):  # type: ignore[no-untyped-def]
    """Row y of G: down the columns into ``line`` (with its borders), then along ``line`` into ``total``."""
    radius, length = weights.size - 1, total.size
    source, starts = values, where.rows[y : y + 2 * radius + 1]
    for along in range(2):
        _weigh(source, starts, weights, total)
        if along == 0:
            start = radius * channels
            middle = line[start : start + length]
            for x in range(length):
                middle[x] = np.float32(total[x]) if single else total[x]
            for i in range(radius):
                left, right = where.sides[i], where.sides[where.sides.size - radius + i]
                for k in range(channels):
                    line[i * channels + k] = line[left + k]
                    line[start + length + i * channels + k] = line[right + k]
            source, starts = line, where.along


@compiled
def _estimate(values, channels, weights, where, sure, out, marks, counts):  # type: ignore[no-untyped-def]
    height, length = out.shape
    line, total = np.empty(where.sides.size * channels, np.float32), np.empty(length, np.float32)
    for y in range(height):
        _smooth_row(values, y, channels, weights, where, False, line, total)
        levels, marked, count = out[y], marks[y], 0
        for x in range(length):
            levels[x] = np.uint8(np.int32(total[x]))
            marked[x] = in_doubt(total[x], sure)
        for x in range(length):
            count += marked[x]
        counts[y] = count


@compiled
def _smooth_rows(values, rows, channels, weights, where, single, out):  # type: ignore[no-untyped-def]
    line, total = np.empty(where.sides.size * channels), np.empty(out.shape[1])
    for i in range(rows.size):
        _smooth_row(values, rows[i], channels, weights, where, single, line, total)
        smooth = out[i]
        for x in range(total.size):
            smooth[x] = np.float32(total[x]) if single else total[x]


@compiled
def _settle(values, places, channels, weights, where, out):  # type: ignore[no-untyped-def]
    """G at single places: for each pair of columns down both, from the outermost in; the middle one comes first."""
    radius, length = weights.size - 1, (where.sides.size - 2 * (weights.size - 1)) * channels
    for place in places:
        y, pixel, k = place // length, place % length // channels, place % channels
        rows, total = where.rows[y : y + 2 * radius + 1], 0.0
        for step in range(radius + 1):
            i = radius + 1 - step if step > 0 else 0
            both = 0.0
            for side in range(1 if i == 0 else 2):
                x = where.sides[radius + pixel + (i if side == 1 else -i)] - radius * channels + k
                down = UNIT[values[rows[radius] + x]] * weights[0]
                for j in range(radius, 0, -1):
                    down += (UNIT[values[rows[radius - j] + x]] + UNIT[values[rows[radius + j] + x]]) * weights[j]
                both += down
            total += both * weights[i]
        out[place] = to_byte(total)
