"""OpenCV 4's affine warp, without OpenCV 4 (version 5 computes something else)."""

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import compiled, inlined
from stormbench.corruptions.kernels.lanes import fill_unit_values, load, spread, store

Points = NDArray[np.float32]


def affine_map(points: Points, moved: Points) -> NDArray[np.float64]:
    """The affine map that takes three points to three others, by elimination with row pivots in double.

    Args:
        points: (3, 2), (x, y) each.
        moved: likewise.

    Returns:
        (2, 3): (x, y, 1) to the moved (x, y).
    """
    system = []
    for (x, y), (to_x, to_y) in zip(points.tolist(), moved.tolist(), strict=True):
        system += [[x, y, 1.0, 0.0, 0.0, 0.0, to_x], [0.0, 0.0, 0.0, x, y, 1.0, to_y]]
    return np.array(_solved(system)).reshape(2, 3)


def _solved(system: list[list[float]]) -> list[float]:
    """Solves n equations, the right side in the last column."""
    n = len(system)
    for i in range(n):
        pivot = max(range(i, n), key=lambda row: abs(system[row][i]))  # the first of equal ones
        system[i], system[pivot] = system[pivot], system[i]
        for j in (row for row in range(i + 1, n) if system[row][i] != 0.0):
            factor = system[j][i] * (-1.0 / system[i][i])
            system[j] = [a + factor * b for a, b in zip(system[j], system[i], strict=True)]
    solution = [0.0] * n
    for i in range(n - 1, -1, -1):
        rest = system[i][n]
        for k in range(i + 1, n):
            rest -= system[i][k] * solution[k]
        solution[i] = rest / system[i][i]
    return solution


def warp_affine(image: Pixels, matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """The image in 0..1 moved by an affine map, linear interpolation, borders reflected: c b | a b c | b a.

    OpenCV 4 inverts the map in double, rounds its column part and its row part to 1/1024 pixel, adds them, and knows
    the position inside a pixel to 1/32; the rest is single precision.

    Args:
        image: (H, W, 3).
        matrix: the forward map, 2 x 3.

    Returns:
        The values of (H, W, 3) in their order, and one more that means nothing (see ``lanes.py``).
    """
    (a, b, c), (d, e, f) = matrix.tolist()
    scale = 1.0 / (a * e - b * d)
    a, b, d, e = e * scale, b * -scale, d * -scale, a * scale
    c, f = -a * c - b * f, -d * c - e * f
    height, width = image.shape[:2]
    columns, rows = np.arange(width), np.arange(height)
    along = np.rint(a * columns * 1024.0).astype(np.int64), np.rint(d * columns * 1024.0).astype(np.int64)
    down = np.rint((b * rows + c) * 1024.0).astype(np.int64), np.rint((e * rows + f) * 1024.0).astype(np.int64)
    values, out = np.empty(image.size + 1, np.float32), np.empty(image.size + 1, np.float32)
    fill_unit_values(image.ravel(), values)
    _warp(values, *along, *down, out)
    return out


@inlined
def _mirrored(place, side):  # type: ignore[no-untyped-def]
    period = 2 * (side - 1)
    place = abs(place) % period
    return min(place, period - place)


@compiled
def _warp(values, x_along, y_along, x_down, y_down, out):  # type: ignore[no-untyped-def]
    height, width = x_down.size, x_along.size
    for row in range(height):
        for column in range(width):
            x = (x_down[row] + 16 + x_along[column]) >> 5
            y = (y_down[row] + 16 + y_along[column]) >> 5
            right, down = np.float32(x & 31) / np.float32(32), np.float32(y & 31) / np.float32(32)
            left, up = np.float32(1) - right, np.float32(1) - down
            x0, y0 = x >> 5, y >> 5
            x1, y1 = x0 + 1, y0 + 1
            if x0 < 0 or y0 < 0 or x1 >= width or y1 >= height:
                x0, x1, y0, y1 = (
                    _mirrored(x0, width),
                    _mirrored(x1, width),
                    _mirrored(y0, height),
                    _mirrored(y1, height),
                )
            upper, lower = 3 * y0 * width, 3 * y1 * width
            total = load(values, upper + 3 * x0) * spread(up * left) + load(values, upper + 3 * x1) * spread(up * right)
            total = total + load(values, lower + 3 * x0) * spread(down * left)
            total = total + load(values, lower + 3 * x1) * spread(down * right)
            store(out, 3 * (row * width + column), total)
