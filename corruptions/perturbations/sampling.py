"""Affine and perspective maps of images, by the arithmetic of Pillow and of OpenCV 4, whatever is installed."""

from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import compiled
from stormbench.corruptions.perturbations.view import View

Affine = tuple[float, float, float, float, float, float]
Matrix = NDArray[np.float64]


def affine_map(width: int, height: int, *, degrees: float = 0, factor: float = 1, shear: float = 0) -> Affine:
    """From output to input positions, as torchvision did it before 0.4: about (0.5 w + 0.5, 0.5 h + 0.5).

    Args:
        width: columns of the image.
        height: rows.
        degrees: rotation, clockwise.
        factor: magnification.
        shear: degrees, of the one shear angle of that time.

    Returns:
        (a, b, c, d, e, f): the input column a x + b y + c, the input row d x + e y + f.
    """
    angle, slant = radians(degrees), radians(degrees) + radians(shear)
    per = 1.0 / factor / (cos(slant) * cos(angle) + sin(slant) * sin(angle))
    a, b, d, e = per * cos(slant), per * sin(slant), per * -sin(angle), per * cos(angle)
    x, y = width * 0.5 + 0.5, height * 0.5 + 0.5
    return a, b, (a * -x + b * -y) + x, d, e, (d * -x + e * -y) + y


def affine(view: View, matrix: Affine) -> Pixels:
    """What the view shows after an affine map: bilinear, black outside, as Pillow does it."""
    window = np.empty((view.height, view.width, 3), np.uint8)
    _affine(view.whole, matrix, view.top, view.left, window)
    return view.fit(window)


@compiled
def _affine(image, matrix, top, left, out):  # type: ignore[no-untyped-def]
    a, b, c, d, e, f = matrix
    height, width = image.shape[:2]
    for row in range(out.shape[0]):
        y = row + top + 0.5
        for column in range(out.shape[1]):
            x = column + left + 0.5
            u, v = a * x + b * y + c, d * x + e * y + f
            if not (0.0 <= u < width and 0.0 <= v < height):
                out[row, column, 0] = out[row, column, 1] = out[row, column, 2] = 0
                continue
            j, i = np.int64(u + 0.5) - 1, np.int64(v + 0.5) - 1  # floor(u - 0.5), as u + 0.5 is positive
            right, down = (u - 0.5) - j, (v - 0.5) - i
            upper, lower = image[max(i, 0)], image[min(i + 1, height - 1)]
            j0, j1 = max(j, 0), min(j + 1, width - 1)
            for k in range(3):
                p, q = float(upper[j0, k]), float(lower[j0, k])
                p, q = p + (upper[j1, k] - p) * right, q + (lower[j1, k] - q) * right
                out[row, column, k] = np.uint8(np.int32(p + (q - p) * down))


def tilt_map(width: int, height: int, degrees: float) -> Matrix:
    """The plane of the image rotated about both of its axes and seen from a distance of its diagonal.

    The image lies at depth 1 behind the turning point, so that even 0 degrees shrink it a little.

    Args:
        width: columns.
        height: rows.
        degrees: about the horizontal and about the vertical axis.

    Returns:
        The forward map of (column, row, 1), 3 x 3.
    """
    far = np.sqrt(width**2 + height**2)
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    lift = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1], [0, 0, 1]])
    about_x = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]])
    about_y = np.array([[c, 0, -s, 0], [0, 1, 0, 0], [s, 0, c, 0], [0, 0, 0, 1]])
    away = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, far], [0, 0, 0, 1]])
    project = np.array([[far, 0, width / 2, 0], [0, far, height / 2, 0], [0, 0, 1, 0]])
    return np.asarray(project @ (away @ ((about_x @ about_y) @ lift)))


def perspective(view: View, matrix: Matrix) -> Pixels:
    """What the view shows after a perspective map: bilinear, black outside, as OpenCV 4 does it (5 differs).

    Args:
        view: the image and its window.
        matrix: the forward map of (column, row, 1), 3 x 3.
    """
    height, width = view.whole.shape[:2]
    block_rows = min(16, height)
    block_columns = min(1024 // block_rows, width)
    window = np.empty((view.height, view.width, 3), np.uint8)
    _perspective(view.whole, inverse_3x3(matrix), view.top, view.left, block_columns, window)
    return view.fit(window)


def inverse_3x3(matrix: Matrix) -> Matrix:
    """By cofactors, in OpenCV's order of operations."""
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    per = 1.0 / (a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))
    rows = [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ]
    return np.asarray(np.array(rows) * per)


@compiled
def _perspective(image, inverse, top, left, block_columns, out):  # type: ignore[no-untyped-def]
    """OpenCV 4 walks in blocks: a column's position is that of its block's first column plus the way from there.

    Positions are rounded to 1/32 pixel, products of weights are exact in 1/1024.
    """
    m = inverse
    for out_row in range(out.shape[0]):
        row = out_row + top
        first = left // block_columns * block_columns - block_columns
        x0 = y0 = depth0 = 0.0
        for out_column in range(out.shape[1]):
            column = out_column + left
            if column >= first + block_columns:
                first += block_columns
                x0 = m[0, 0] * first + m[0, 1] * row + m[0, 2]
                y0 = m[1, 0] * first + m[1, 1] * row + m[1, 2]
                depth0 = m[2, 0] * first + m[2, 1] * row + m[2, 2]
            step = column - first
            per = 32.0 / (depth0 + m[2, 0] * step)
            x, y = (x0 + m[0, 0] * step) * per, (y0 + m[1, 0] * step) * per
            _between(image, np.int64(np.rint(y)), np.int64(np.rint(x)), out, out_row, out_column)


@compiled
def _between(image, v, u, out, out_row, out_column):  # type: ignore[no-untyped-def]
    """The pixel at row v / 32 and column u / 32; black where there is no image."""
    height, width = image.shape[:2]
    i, j, down, right = v >> 5, u >> 5, np.int32(v & 31), np.int32(u & 31)
    if 0 <= i < height - 1 and 0 <= j < width - 1:
        for k in range(3):
            upper = (32 - right) * np.int32(image[i, j, k]) + right * np.int32(image[i, j + 1, k])
            lower = (32 - right) * np.int32(image[i + 1, j, k]) + right * np.int32(image[i + 1, j + 1, k])
            out[out_row, out_column, k] = ((32 - down) * upper + down * lower + 512) >> 10
        return
    for k in range(3):
        total = 512
        for below in range(2):
            for beside in range(2):
                y, x = i + below, j + beside
                if 0 <= y < height and 0 <= x < width:
                    total += (down if below else 32 - down) * (right if beside else 32 - right) * image[y, x, k]
        out[out_row, out_column, k] = total >> 10
