"""Gaussian filters, to the bit as SciPy's: same weights, same order of summation.

G(x)[i] = w[0] x[i] + sum over j = r .. 1 of (x[i - j] + x[i + j]) w[j], along the rows' axis, then along the columns'.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import compiled, to_byte
from stormbench.corruptions.pixels import Pixels

Field = NDArray[np.float64]
Indices = NDArray[np.int64]


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

    Args:
        image: (H, W, C).
        sigma: pixels.
    """
    weights = half_weights(sigma)
    height, width, channels = image.shape
    out = np.empty_like(image)
    flat, flat_out = image.reshape(height, -1), out.reshape(height, -1)
    radius = len(weights) - 1
    _smooth_pixels(flat, channels, weights, nearest(height, radius), nearest(width, radius), flat_out)
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
def _smooth_row(plane, y, channels, weights, rows, columns, single, line, total):  # type: ignore[no-untyped-def]
    """Row y of G: down the columns into ``line`` (with its borders), then along ``line`` into ``total``."""
    radius, length = weights.size - 1, total.size
    for x in range(length):
        total[x] = plane[y, x] * weights[0]
    j = radius
    while j > 1:
        a, b = plane[rows[radius + y - j]], plane[rows[radius + y + j]]
        c, d = plane[rows[radius + y - j + 1]], plane[rows[radius + y + j - 1]]
        _add_two_pairs(total, a, b, weights[j], c, d, weights[j - 1])
        j -= 2
    if j == 1:
        _add_pair(total, plane[rows[radius + y - 1]], plane[rows[radius + y + 1]], weights[1])
    start = radius * channels
    for x in range(length):
        line[start + x] = np.float32(total[x]) if single else total[x]
    for i in range(radius):
        for k in range(channels):
            line[i * channels + k] = line[start + columns[i] * channels + k]
            right = columns[radius + length // channels + i]
            line[start + length + i * channels + k] = line[start + right * channels + k]
    for x in range(length):
        total[x] = line[start + x] * weights[0]
    j = radius
    while j > 1:
        far, near = j * channels, (j - 1) * channels
        a, b = line[start - far : start - far + length], line[start + far : start + far + length]
        c, d = line[start - near : start - near + length], line[start + near : start + near + length]
        _add_two_pairs(total, a, b, weights[j], c, d, weights[j - 1])
        j -= 2
    if j == 1:
        _add_pair(
            total,
            line[start - channels : start - channels + length],
            line[start + channels : start + channels + length],
            weights[1],
        )


@compiled
def _smooth_pixels(image, channels, weights, rows, columns, out):  # type: ignore[no-untyped-def]
    height, length = image.shape
    plane = np.empty((height, length))
    for y in range(height):
        for x in range(length):
            plane[y, x] = np.float64(image[y, x]) / 255.0
    line, total = np.empty(length + 2 * (weights.size - 1) * channels), np.empty(length)
    for y in range(height):
        _smooth_row(plane, y, channels, weights, rows, columns, False, line, total)
        for x in range(length):
            out[y, x] = to_byte(total[x])


@compiled
def _smooth_field(field, weights, rows, columns, single, out):  # type: ignore[no-untyped-def]
    line, total = np.empty(field.shape[1] + 2 * (weights.size - 1)), np.empty(field.shape[1])
    for y in range(field.shape[0]):
        _smooth_row(field, y, 1, weights, rows, columns, single, line, total)
        for x in range(total.size):
            out[y, x] = np.float32(total[x]) if single else total[x]
