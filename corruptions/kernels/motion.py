"""ImageMagick's motion blur, without ImageMagick."""

from math import ceil, cos, hypot, pi, radians, sin, sqrt

import numpy as np
from numpy.typing import NDArray

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

    Values are widened to 16 bits (times 257), summed tap by tap in double, rounded to 16 bits and truncated to 8.
    Beyond the border the nearest pixel counts.

    Args:
        image: uint8 of shape (H, W) or (H, W, C).
        radius: pixels.
        sigma: taps.
        angle: degrees.
    """
    height, width = image.shape[:2]
    total = np.zeros(image.shape)
    for weight, row, column in zip(*trail(radius, sigma, angle), strict=True):
        rows = np.clip(np.arange(height) + row, 0, height - 1)
        columns = np.clip(np.arange(width) + column, 0, width - 1)
        total += weight * (257.0 * image[rows[:, np.newaxis], columns])
    return (np.floor(total + 0.5) // 257).astype(np.uint8)
