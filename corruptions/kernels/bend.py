"""Elastic: every pixel fetched from a place nearby."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import compiled
from stormbench.corruptions.kernels.gaussian import half_weights, reflected, smooth_field
from stormbench.corruptions.pixels import Pixels

LONG = 24
"""From this radius on, a Gaussian filter is cheaper through the cosine transform."""


def smooth_reflected(field: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """G(sigma), cut at 3 sigma, borders reflected: b a | a b c | c b.

    Reflected so, the filter is diagonal in the cosine transform (DCT-II): frequency k of n is multiplied by
    w[0] + 2 sum of w[j] cos(pi k j / n). A short filter is summed as SciPy does.

    Args:
        field: (H, W).
        sigma: pixels.
    """
    weights = half_weights(sigma, truncate=3)
    if len(weights) <= LONG:
        return smooth_field(field, weights, reflected)
    from scipy import fft  # takes a third of a second, and few need it

    down, along = (_response(sigma, side) for side in field.shape)
    spectrum = fft.dctn(field, norm="ortho") * (down[:, np.newaxis] * along)
    return np.asarray(fft.idctn(spectrum, norm="ortho", overwrite_x=True))


@lru_cache(maxsize=64)
def _response(sigma: float, side: int) -> NDArray[np.float64]:
    weights = half_weights(sigma, truncate=3)
    angles = np.pi * np.outer(np.arange(side), np.arange(1, len(weights))) / side
    return np.asarray(weights[0] + 2 * (np.cos(angles) @ weights[1:]))


def bend(image: NDArray[np.float32], down: NDArray[np.float32], right: NDArray[np.float32]) -> Pixels:
    """The image at (row + down, column + right): linear interpolation, borders reflected, quantised.

    Args:
        image: (H, W, 3) in 0..1.
        down: (H, W), pixels.
        right: (H, W), pixels.
    """
    out = np.empty(image.shape, np.uint8)
    _bend(image, down, right, out)
    return out


@compiled
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
def _bend(image, down, right, out):  # type: ignore[no-untyped-def]
    height, width = image.shape[:2]
    for row in range(height):
        for column in range(width):
            y, x = (
                _inside(row + np.float64(down[row, column]), height),
                _inside(column + np.float64(right[row, column]), width),
            )
            y0, x0 = int(np.floor(y)), int(np.floor(x))
            u, p = 1.0 - (y - y0), 1.0 - (x - x0)
            v, q = 1.0 - u, 1.0 - p
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            y0, x0 = max(y0, 0), max(x0, 0)
            for k in range(3):
                upper = (np.float64(image[y0, x0, k]) * u) * p + (np.float64(image[y0, x1, k]) * u) * q
                value = np.float32(
                    (upper + (np.float64(image[y1, x0, k]) * v) * p) + (np.float64(image[y1, x1, k]) * v) * q
                )
                out[row, column, k] = np.uint8(
                    np.int32(min(max(value, np.float32(0)), np.float32(1)) * np.float32(255))
                )
