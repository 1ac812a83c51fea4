"""Elastic: every pixel fetched from a place nearby."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import compiled, inlined
from stormbench.corruptions.kernels.gaussian import half_weights, reflected, smooth_field
from stormbench.corruptions.kernels.lanes import load, narrowed, spread, store, truncated, widened

LONG = 24
"""From this radius on, a Gaussian filter is cheaper through the cosine transform."""


LARGE_FACTOR = 23
"""With a larger prime factor than this, a matrix product takes less time than the cosine transform."""

LONG_SIDE = 1024
"""On longer sides it does not, whatever the factors."""


def smooth_reflected(field: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """G(sigma), cut at 3 sigma, borders reflected: b a | a b c | c b.

    Reflected so, the filter is diagonal in the cosine transform (DCT-II): frequency k of n is multiplied by
    w[0] + 2 sum of w[j] cos(pi k j / n). A short filter is summed as SciPy does. Sides whose transform would be slow
    (227, as Inception and AlexNet are fed) are multiplied by the filter as a matrix: the same to 1e-13 of the largest
    value, 50 times as fast.

    Args:
        field: (H, W).
        sigma: pixels.
    """
    weights = half_weights(sigma, truncate=3)
    if len(weights) <= LONG:
        return smooth_field(field, weights, reflected)
    if any(_is_awkward(side) for side in field.shape):
        down, along = (_smoothing(sigma, side) for side in field.shape)
        return np.asarray(down @ field @ along)
    from scipy import fft  # takes a third of a second, and few need it

    down, along = (_response(sigma, side) for side in field.shape)
    spectrum = fft.dctn(field, norm="ortho") * (down[:, np.newaxis] * along)
    return np.asarray(fft.idctn(spectrum, norm="ortho", overwrite_x=True))


@lru_cache(maxsize=64)
def _response(sigma: float, side: int) -> NDArray[np.float64]:
    weights = half_weights(sigma, truncate=3)
    angles = np.pi * np.outer(np.arange(side), np.arange(1, len(weights))) / side
    return np.asarray(weights[0] + 2 * (np.cos(angles) @ weights[1:]))


def _is_awkward(side: int) -> bool:
    """Whether a fast transform of this length is slow: a prime factor of it is large, and it is short."""
    rest, factor = side, 2
    while factor * factor <= rest:
        if rest % factor:
            factor += 1
        else:
            rest //= factor
    return rest > LARGE_FACTOR and side <= LONG_SIDE


@lru_cache(maxsize=16)
def _smoothing(sigma: float, side: int) -> NDArray[np.float64]:
    """The filter as a symmetric matrix: into frequencies, times the response, and back."""
    angles = np.pi / side * np.outer(np.arange(side), np.arange(side) + 0.5)
    basis = np.cos(angles) * np.sqrt(2 / side)
    basis[0] /= np.sqrt(2)
    return np.asarray((basis.T * _response(sigma, side)) @ basis)


def bend(values: NDArray[np.float32], down: NDArray[np.float32], right: NDArray[np.float32]) -> Pixels:
    """The image at (row + down, column + right): linear interpolation, borders reflected, quantised.

    Args:
        values: of (H, W, 3) in 0..1 in their order, and one more that is not used.
        down: (H, W), pixels.
        right: (H, W), pixels.

    Returns:
        (H, W, 3).
    """
    out = np.empty((*down.shape, 3), np.uint8)
    _bend(values, down, right, out.reshape(len(down), -1))
    return out


@inlined
def _inside(place, side):  # type: ignore[no-untyped-def]
    """A place beyond the outside of an edge pixel, mirrored there."""
    if place < 0:
        place = place % (2 * side)
    if place > side - 1:
        place = place % (2 * side)
        if place >= side:
            place = 2 * side - 1 - place
    return place


@compiled
def _bend(values, down, right, out):  # type: ignore[no-untyped-def]
    """A row at a time: first the places, then the four pixels around each."""
    height, width = down.shape
    line = np.empty(3 * width + 1, np.uint8)
    full = spread(np.float32(255))
    for row in range(height):
        for column in range(width):
            y, x = np.float64(row) + down[row, column], np.float64(column) + right[row, column]
            if not (0 <= y <= height - 1 and 0 <= x <= width - 1):
                y, x = _inside(y, height), _inside(x, width)
            y0, x0 = int(np.floor(y)), int(np.floor(x))
            u, p = 1.0 - (y - y0), 1.0 - (x - x0)
            v, q = spread(1.0 - u), spread(1.0 - p)
            u, p = spread(u), spread(p)
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            upper, lower = 3 * max(y0, 0) * width, 3 * y1 * width
            left, after = 3 * max(x0, 0), 3 * x1
            value = widened(load(values, upper + left)) * u * p + widened(load(values, upper + after)) * u * q
            value = value + widened(load(values, lower + left)) * v * p
            value = value + widened(load(values, lower + after)) * v * q
            store(line, 3 * column, truncated(narrowed(value) * full))  # its fourth byte is written over by the next
        levels = out[row]
        for x in range(levels.size):
            levels[x] = line[x]
