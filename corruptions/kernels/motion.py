"""ImageMagick's motion blur, without ImageMagick."""

from functools import lru_cache
from math import ceil, cos, hypot, pi, radians, sin, sqrt

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import compiled
from stormbench.corruptions.kernels.estimates import doubtful, in_doubt


def trail(
    radius: float, sigma: float, angle: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """The taps of a motion blur: a one-sided Gaussian along a line.

    W = 2 ceil(radius) + 1 taps; tap i weighs exp(-i**2 / (2 sigma**2)), normalised, and lies i pixels away in the
    direction (W sin, W cos) of the angle, rounded half down.

    Args:
        radius: pixels.
        sigma: taps.
        angle: degrees.

    Returns:
        Weights, row offsets and column offsets, each of shape (W,).
    """
    weights = _weights(radius, sigma)
    width = len(weights)
    down, right = width * sin(radians(angle)), width * cos(radians(angle))
    length = hypot(down, right)
    rows = np.array([ceil(i * down / length - 0.5) for i in range(width)])
    columns = np.array([ceil(i * right / length - 0.5) for i in range(width)])
    return weights, rows, columns


@lru_cache(maxsize=64)
def _weights(radius: float, sigma: float) -> NDArray[np.float64]:
    width = 2 * ceil(radius) + 1
    weights = np.array([np.exp(-(i * i) / (2.0 * sigma * sigma)) / (sqrt(2.0 * pi) * sigma) for i in range(width)])
    return np.asarray(weights / sum(weights.tolist()))


def motion_blur(image: Pixels, radius: float, sigma: float, angle: float) -> Pixels:
    """ImageMagick 6 (Q16, no HDRI) ``-motion-blur`` to the bit.

    Values are widened to 16 bits (times 257), summed tap by tap in double, rounded to 16 bits and truncated to 8:
    floor(floor(sum of w 257 v + 0.5) / 257) = floor(sum of w v + 0.5 / 257). That sum is taken in single precision,
    and again in double only where the estimate is so near a whole number that it could decide wrongly.
    Beyond the border the nearest pixel counts.

    Args:
        image: uint8 of shape (H, W) or (H, W, C).
        radius: pixels.
        sigma: taps.
        angle: degrees.
    """
    weights, rows, columns = trail(radius, sigma, angle)
    height, width = image.shape[:2]
    channels = image.size // (height * width)
    margin = int(np.abs(columns).max())
    plane = _widened(image.reshape(height, width, channels), margin)
    starts = np.clip(np.arange(height)[:, np.newaxis] + rows, 0, height - 1) * (width + 2 * margin) + margin + columns
    out, marks = np.empty((height, width * channels), np.uint8), np.empty((height, width * channels), np.bool_)
    values, starts = plane.ravel(), starts * channels
    _estimate(values, starts, weights.astype(np.float32), np.float32(0.5 - _doubt(len(weights))), out, marks)
    for places in doubtful(marks):
        _settle(values, places, starts, weights, out)
    return out.reshape(image.shape)


def _widened(image: Pixels, margin: int) -> NDArray[np.float32]:
    """The image in single precision, ``margin`` pixels of replicated border at either end of each row."""
    height, width, channels = image.shape
    plane = np.empty((height, width + 2 * margin, channels), np.float32)
    plane[:, margin : margin + width] = image
    plane[:, :margin], plane[:, margin + width :] = image[:, :1], image[:, -1:]
    return plane


def _doubt(taps: int) -> float:
    """How near (in grey levels) to a whole number the estimate may be wrong about it.

    No value exceeds 256, so a rounding is off by 256 / 2**24 at most; on its way through ``_motion_blur`` a sum is
    rounded once for every four taps and each one left over, and six times more: weights, products, inner sums, start.
    """
    return (taps // 4 + taps % 4 + 6) * 256 / 2**24


@compiled
def _estimate(values, starts, weights, sure, out, marks):  # type: ignore[no-untyped-def]
    """The taps of row y are the lines of ``values`` that begin at ``starts[y]``; four are added at a time."""
    height, length = out.shape
    total, taps = np.empty(length, np.float32), weights.size
    for y in range(height):
        for x in range(length):
            total[x] = np.float32(0.5 / 257.0)
        for tap in range(0, taps - 3, 4):
            i, j, k, n = starts[y, tap], starts[y, tap + 1], starts[y, tap + 2], starts[y, tap + 3]
            a, b, c, d = values[i : i + length], values[j : j + length], values[k : k + length], values[n : n + length]
            u, v, w, z = weights[tap], weights[tap + 1], weights[tap + 2], weights[tap + 3]
            for x in range(length):
                total[x] += ((a[x] * u + b[x] * v) + c[x] * w) + d[x] * z
        for tap in range(taps // 4 * 4, taps):
            a, u = values[starts[y, tap] : starts[y, tap] + length], weights[tap]
            for x in range(length):
                total[x] += a[x] * u
        levels, marked = out[y], marks[y]
        for x in range(length):
            levels[x] = np.uint8(np.int32(total[x]))
            marked[x] = in_doubt(total[x], sure)


@compiled
def _settle(values, places, starts, weights, out):  # type: ignore[no-untyped-def]
    """Takes single sums in double."""
    length = out.shape[1]
    for place in places:
        y, x = place // length, place % length
        total = 0.0
        for tap in range(weights.size):
            total += weights[tap] * (257.0 * values[starts[y, tap] + x])
        out[y, x] = np.uint8(np.int32(np.floor(total + 0.5)) // 257)
