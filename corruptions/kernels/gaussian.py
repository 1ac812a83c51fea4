"""Gaussian filters, to the bit as SciPy's: same weights, same order of summation.

G(x)[i] = w[0] x[i] + sum over j = r .. 1 of (x[i - j] + x[i + j]) w[j], along the rows' axis, then along the columns'.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import UNIT, compiled, to_byte
from stormbench.corruptions.kernels.estimates import in_doubt, new_marks
from stormbench.corruptions.pixels import Pixels

Field = NDArray[np.float64]
Indices = NDArray[np.int64]

MANY = 16
"""If so many values of a row are in doubt, the whole row is taken in double."""


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


def smooth_pixels(image: Pixels, sigma: float) -> Pixels:
    """G of each channel of value / 255, cut at 4 sigma, borders replicated, quantised.

    It is estimated in single precision, and taken in double where the estimate is too near a whole level to decide.

    Args:
        image: (H, W, C).
        sigma: pixels.
    """
    weights = half_weights(sigma)
    height, width, channels = image.shape
    out = np.empty_like(image)
    flat, flat_out = image.reshape(height, -1), out.reshape(height, -1)
    radius = len(weights) - 1
    doubt = (2 * radius + 10) * 256 / 2**24  # along each axis a term is rounded once for each sum, and 5 times more
    rows, columns = nearest(height, radius), nearest(width, radius)
    _smooth_pixels(flat, channels, weights, rows, columns, np.float32(0.5 - doubt), flat_out)
    return out


def smooth_field(field: Field, weights: Field, border: Callable[[int, int], Indices], *, single: bool = False) -> Field:
    """G of a field of doubles.

    Args:
        field: (H, W).
        weights: w[0 .. r].
        border: ``nearest`` or ``reflected``.
        single: round to single precision after each of the two directions, as SciPy does with such fields.
    """
    out, radius = np.empty_like(field), len(weights) - 1
    rows, columns = (border(side, radius) for side in field.shape)
    _smooth_field(field, weights, rows, columns, single, out)
    return out


@compiled
def _add_two_pairs(total, a, b, w, c, d, v):  # type: ignore[no-untyped-def]
    for x in range(total.size):
        total[x] = (total[x] + (a[x] + b[x]) * w) + (c[x] + d[x]) * v


@compiled
def _add_pair(total, a, b, w):  # type: ignore[no-untyped-def]
    for x in range(total.size):
        total[x] += (a[x] + b[x]) * w


@compiled
def _weigh(plane, starts, weights, total):  # type: ignore[no-untyped-def]
    """The sum of the lines of ``plane`` that begin at ``starts``: the middle one, then pairs from the outermost in."""
    length, radius = total.size, weights.size - 1
    middle, weight = plane[starts[radius] : starts[radius] + length], weights[0]
    for x in range(length):
        total[x] = middle[x] * weight
    j = radius
    while j > 1:
        a, b, c, d = starts[radius - j], starts[radius + j], starts[radius - j + 1], starts[radius + j - 1]
        far, far_too = plane[a : a + length], plane[b : b + length]
        near, near_too = plane[c : c + length], plane[d : d + length]
        _add_two_pairs(total, far, far_too, weights[j], near, near_too, weights[j - 1])
        j -= 2
    if j == 1:
        a, b = starts[radius - 1], starts[radius + 1]
        _add_pair(total, plane[a : a + length], plane[b : b + length], weights[1])


@compiled
def _smooth_row(plane, y, channels, weights, rows, sides, along, single, line, total):  # type: ignore[no-untyped-def]
    """Row y of G: down the columns into ``line`` (with its borders), then along ``line`` into ``total``.

    Args:
        plane: (H L,), the rows of the image.
        y: row.
        channels: of L values each.
        weights: w[0 .. r].
        rows: where in ``plane`` the rows y - r .. H + r - 1 begin.
        sides: where in ``line`` the pixels begin that stand for -r .. W + r - 1.
        along: where in ``line`` a row begins that is moved by -r .. r pixels.
        single: whether to round to single precision in between.
        line: room for a row with its borders.
        total: (L,), written.
    """
    radius, length = weights.size - 1, total.size
    _weigh(plane, rows[y : y + 2 * radius + 1], weights, total)
    start = radius * channels
    middle = line[start : start + length]
    for x in range(length):
        middle[x] = np.float32(total[x]) if single else total[x]
    for i in range(radius):
        for k in range(channels):
            line[i * channels + k] = line[sides[i] + k]
            line[start + length + i * channels + k] = line[sides[sides.size - radius + i] + k]
    _weigh(line, along, weights, total)


@compiled
def _smooth_pixels(image, channels, weights, rows, columns, sure, out):  # type: ignore[no-untyped-def]
    height, length = image.shape
    radius = weights.size - 1
    border = 2 * radius * channels
    starts, sides, along = rows * length, (columns + radius) * channels, np.arange(2 * radius + 1) * channels
    plane, exact_plane = image.ravel().astype(np.float32), np.empty(0)
    weights32 = weights.astype(np.float32)
    line, total = np.empty(length + border, np.float32), np.empty(length, np.float32)
    exact_line, exact = np.empty(length + border), np.empty(length)
    marks, places = new_marks(length), np.empty(length, np.int64)
    for y in range(height):
        _smooth_row(plane, y, channels, weights32, starts, sides, along, False, line, total)
        for x in range(length):
            out[y, x] = np.uint8(np.int32(total[x]))
        count = in_doubt(total, sure, marks, places)
        if count > MANY:
            if exact_plane.size == 0:
                exact_plane = image.ravel() / 255.0
            _smooth_row(exact_plane, y, channels, weights, starts, sides, along, False, exact_line, exact)
            for x in places[:count]:
                out[y, x] = to_byte(exact[x])
        else:
            near = rows[y : y + 2 * radius + 1]
            for x in places[:count]:
                out[y, x] = to_byte(_one(image, near, x // channels, x % channels, channels, weights, columns))


@compiled
def _one(image, rows, column, k, channels, weights, columns):  # type: ignore[no-untyped-def]
    """G at one pixel, ``rows`` being those around it."""
    radius = weights.size - 1
    middle = _down(image, rows, columns[radius + column] * channels + k, weights)
    total = middle * weights[0]
    for j in range(radius, 0, -1):
        before = _down(image, rows, columns[radius + column - j] * channels + k, weights)
        after = _down(image, rows, columns[radius + column + j] * channels + k, weights)
        total += (before + after) * weights[j]
    return total


@compiled
def _down(image, rows, x, weights):  # type: ignore[no-untyped-def]
    """G along one column."""
    radius = weights.size - 1
    total = UNIT[image[rows[radius], x]] * weights[0]
    for j in range(radius, 0, -1):
        total += (UNIT[image[rows[radius - j], x]] + UNIT[image[rows[radius + j], x]]) * weights[j]
    return total


@compiled
def _smooth_field(field, weights, rows, columns, single, out):  # type: ignore[no-untyped-def]
    radius, length = weights.size - 1, field.shape[1]
    line, total, plane = np.empty(length + 2 * radius), np.empty(length), field.ravel()
    starts, sides, along = rows * length, columns + radius, np.arange(2 * radius + 1)
    for y in range(field.shape[0]):
        _smooth_row(plane, y, 1, weights, starts, sides, along, single, line, total)
        for x in range(length):
            out[y, x] = np.float32(total[x]) if single else total[x]
