"""What several of the plain corruptions need: magnifying, ImageMagick's motion blur, the plasma, OpenCV 4's warp."""

from collections.abc import Callable
from math import ceil, cos, hypot, pi, radians, sin, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Pixels = NDArray[np.uint8]


def quantise(values: NDArray[Any]) -> Pixels:
    return (np.clip(values, 0, 1) * 255).astype(np.uint8)


def magnify(image: NDArray[Any], factor: float) -> NDArray[Any]:
    height, width = image.shape[:2]
    kept = [ceil(side / factor) for side in (height, width)]
    top, left = (height - kept[0]) // 2, (width - kept[1]) // 2
    middle = image[top : top + kept[0], left : left + kept[1]]
    enlarged = ndimage.zoom(middle, (factor, factor, 1)[: image.ndim], order=1)
    top, left = (enlarged.shape[0] - height) // 2, (enlarged.shape[1] - width) // 2
    return np.ascontiguousarray(enlarged[top : top + height, left : left + width])


def trail(
    radius: float, sigma: float, angle: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    width = 2 * ceil(radius) + 1
    weights = np.array([np.exp(-(i * i) / (2.0 * sigma * sigma)) / (sqrt(2.0 * pi) * sigma) for i in range(width)])
    weights /= sum(weights.tolist())
    down, right = width * sin(radians(angle)), width * cos(radians(angle))
    length = hypot(down, right)
    rows = np.array([ceil(i * down / length - 0.5) for i in range(width)])
    columns = np.array([ceil(i * right / length - 0.5) for i in range(width)])
    return weights, rows, columns


def imagemagick(image: Pixels, radius: float, sigma: float, angle: float) -> Pixels:
    height, width = image.shape[:2]
    total = np.zeros(image.shape)
    for weight, row, column in zip(*trail(radius, sigma, angle), strict=True):
        rows = np.clip(np.arange(height) + row, 0, height - 1)
        columns = np.clip(np.arange(width) + column, 0, width - 1)
        total += weight * (257.0 * image[rows[:, np.newaxis], columns])
    return (np.floor(total + 0.5) // 257).astype(np.uint8)


Field = NDArray[np.float64]


def plasma(size: int, decay: float, uniform: Callable[[float, float, tuple[int, ...]], Field]) -> Field:
    heights = np.zeros((size, size))
    step, wibble = size, 100.0
    while step >= 2:
        half = step // 2

        def settle(neighbours: Field, wibble: float = wibble) -> Field:
            return neighbours / 4 + wibble * uniform(-wibble, wibble, neighbours.shape)

        corners = heights[::step, ::step]
        columns = corners + np.roll(corners, -1, axis=0)
        heights[half::step, half::step] = settle(columns + np.roll(columns, -1, axis=1))
        middles = heights[half::step, half::step]
        heights[::step, half::step] = settle(
            (middles + np.roll(middles, 1, axis=0)) + (corners + np.roll(corners, -1, axis=1))
        )
        heights[half::step, ::step] = settle(
            (middles + np.roll(middles, 1, axis=1)) + (corners + np.roll(corners, -1, axis=0))
        )
        step //= 2
        wibble /= decay
    heights -= heights.min()
    return np.asarray(heights / heights.max())


def reflect_101(positions: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    period = 2 * (side - 1)
    positions = np.abs(positions) % period
    return np.minimum(positions, period - positions)


def inverse_map(matrix: NDArray[np.float64], height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    (a, b, c), (d, e, f) = matrix.tolist()
    scale = 1.0 / (a * e - b * d)
    a, b, d, e = e * scale, b * -scale, d * -scale, a * scale
    c, f = -a * c - b * f, -d * c - e * f
    columns, rows = np.arange(width), np.arange(height)[:, np.newaxis]
    x = np.rint((b * rows + c) * 1024.0) + 16 + np.rint(a * columns * 1024.0)
    y = np.rint((e * rows + f) * 1024.0) + 16 + np.rint(d * columns * 1024.0)
    return x.astype(np.int64) >> 5, y.astype(np.int64) >> 5


def warp_affine(image: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    height, width = image.shape[:2]
    x, y = inverse_map(matrix, height, width)
    right, down = ((part % 32 / np.float32(32)).astype(np.float32)[:, :, np.newaxis] for part in (x, y))
    left, up = np.float32(1) - right, np.float32(1) - down
    x0, x1 = (reflect_101((x >> 5) + i, width) for i in (0, 1))
    y0, y1 = (reflect_101((y >> 5) + i, height) for i in (0, 1))
    return (
        image[y0, x0] * (up * left)
        + image[y0, x1] * (up * right)
        + image[y1, x0] * (down * left)
        + image[y1, x1] * (down * right)
    )
