"""OpenCV 4's affine warp, without OpenCV 4 (version 5 computes something else)."""

import numpy as np
from numpy.typing import NDArray

FRACTIONS = 32
"""OpenCV 4 knows the position inside a pixel to 1/32."""


def reflect_101(positions: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """Indices mirrored at the middle of the first and last pixel: d c b | a b c d | c b a."""
    period = 2 * (side - 1)
    positions = np.abs(positions) % period
    return np.minimum(positions, period - positions)


def inverse_map(matrix: NDArray[np.float64], height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each output pixel comes from, in 1/32 pixel, by OpenCV 4's fixed-point arithmetic.

    The forward map is inverted in double; its column part and its row part are rounded to 1/1024 pixel, added,
    and cut to 1/32.

    Args:
        matrix: the forward map, 2 x 3.
        height: rows of the image.
        width: columns of the image.

    Returns:
        Column and row positions, each (height, width).
    """
    (a, b, c), (d, e, f) = matrix.tolist()
    scale = 1.0 / (a * e - b * d)
    a, b, d, e = e * scale, b * -scale, d * -scale, a * scale
    c, f = -a * c - b * f, -d * c - e * f
    columns, rows = np.arange(width), np.arange(height)[:, np.newaxis]
    x = np.rint((b * rows + c) * 1024.0) + 16 + np.rint(a * columns * 1024.0)
    y = np.rint((e * rows + f) * 1024.0) + 16 + np.rint(d * columns * 1024.0)
    return x.astype(np.int64) >> 5, y.astype(np.int64) >> 5


def warp_affine(image: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """The image moved by an affine map, linear interpolation, border reflected without repeating its last pixel.

    Args:
        image: (H, W, C).
        matrix: the forward map of (column, row, 1), 2 x 3.
    """
    height, width = image.shape[:2]
    x, y = inverse_map(matrix, height, width)
    right, down = ((part % FRACTIONS / np.float32(FRACTIONS)).astype(np.float32)[:, :, np.newaxis] for part in (x, y))
    left, up = np.float32(1) - right, np.float32(1) - down
    x0, x1 = (reflect_101((x >> 5) + i, width) for i in (0, 1))
    y0, y1 = (reflect_101((y >> 5) + i, height) for i in (0, 1))
    return (
        image[y0, x0] * (up * left)
        + image[y0, x1] * (up * right)
        + image[y1, x0] * (down * left)
        + image[y1, x1] * (down * right)
    )
