"""ImageMagick's motion blur, without ImageMagick."""

from math import ceil, cos, hypot, pi, radians, sin, sqrt

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import compiled
from stormbench.corruptions.pixels import Pixels


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
    width = 2 * ceil(radius) + 1
    weights = np.array([np.exp(-(i * i) / (2.0 * sigma * sigma)) / (sqrt(2.0 * pi) * sigma) for i in range(width)])
    weights /= sum(weights.tolist())
    down, right = width * sin(radians(angle)), width * cos(radians(angle))
    length = hypot(down, right)
    rows = np.array([ceil(i * down / length - 0.5) for i in range(width)])
    columns = np.array([ceil(i * right / length - 0.5) for i in range(width)])
    return weights, rows, columns


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
    out = np.empty_like(image)
    channels = image.size // (height * width)
    flat, flat_out = image.reshape(height, -1), out.reshape(height, -1)
    _motion_blur(flat, channels, weights, weights.astype(np.float32), rows, columns, _doubt(len(weights)), flat_out)
    return out


def _doubt(taps: int) -> float:
    """How near (in grey levels) to a whole number the estimate may be wrong about it.

    No value exceeds 256, so a rounding is off by 256 / 2**24 at most; on its way through ``_motion_blur`` a sum is
    rounded once for every four taps and each one left over, and six times more: weights, products, inner sums, start.
    """
    return (taps // 4 + taps % 4 + 6) * 256 / 2**24


@compiled
def _widened(image, channels, margin):  # type: ignore[no-untyped-def]
    """The image in single precision, ``margin`` pixels of replicated border at either end of each row."""
    height, length = image.shape
    start = margin * channels
    plane = np.empty((height, length + 2 * start), np.float32)
    for y in range(height):
        line = plane[y]
        for x in range(length):
            line[start + x] = image[y, x]
        for i in range(margin):
            for k in range(channels):
                line[i * channels + k] = image[y, k]
                line[start + length + i * channels + k] = image[y, length - channels + k]
    return plane


@compiled
def _add_four(total, a, u, b, v, c, w, d, z):  # type: ignore[no-untyped-def]
    for x in range(total.size):
        total[x] += ((a[x] * u + b[x] * v) + c[x] * w) + d[x] * z


@compiled
def _motion_blur(image, channels, weights, weights32, rows, columns, doubt, out):  # type: ignore[no-untyped-def]
    height, length = image.shape
    taps = weights.size
    margin = 0
    for column in columns:
        margin = max(margin, abs(column))
    plane = _widened(image, channels, margin)
    stride, values = plane.shape[1], plane.ravel()
    total, starts = np.empty(length, np.float32), np.empty(taps, np.int64)
    for y in range(height):
        for tap in range(taps):
            starts[tap] = min(max(y + rows[tap], 0), height - 1) * stride + (margin + columns[tap]) * channels
        total[:] = np.float32(0.5 / 257.0)
        tap = 0
        while tap + 3 < taps:
            i, j, k, n = starts[tap], starts[tap + 1], starts[tap + 2], starts[tap + 3]
            a, b, c, d = values[i : i + length], values[j : j + length], values[k : k + length], values[n : n + length]
            u, v, w, z = weights32[tap], weights32[tap + 1], weights32[tap + 2], weights32[tap + 3]
            _add_four(total, a, u, b, v, c, w, d, z)
            tap += 4
        while tap < taps:
            a = values[starts[tap] : starts[tap] + length]
            for x in range(length):
                total[x] += a[x] * weights32[tap]
            tap += 1
        doubtful = 0
        for x in range(length):
            level = np.int32(total[x])
            away = np.abs(total[x] - np.float32(level) - np.float32(0.5))
            out[y, x] = np.uint8(level)
            doubtful += away > np.float32(0.5 - doubt)
        if doubtful > 0:
            _settle(values, total, weights, starts, doubt, out[y])


@compiled
def _settle(values, estimates, weights, starts, doubt, out):  # type: ignore[no-untyped-def]
    """Takes the sum in double wherever the estimate is in doubt."""
    for x in range(out.size):
        if abs(estimates[x] - np.floor(estimates[x]) - 0.5) > 0.5 - doubt:
            total = 0.0
            for tap in range(weights.size):
                total += weights[tap] * (257.0 * values[starts[tap] + x])
            out[x] = np.uint8(np.int32(np.floor(total + 0.5)) // 257)
