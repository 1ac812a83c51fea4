"""Rotations about the middle of a plane by cubic splines, as SciPy's ``ndimage.rotate`` computes them."""

import math

import numpy as np

from stormbench.corruptions.kernels.compiled import compiled, inlined


@inlined
def _mirrored(place, count):  # type: ignore[no-untyped-def]
    """The borders are mirrored without repeating the last: c b | a b c | b a."""
    place = abs(place) % (2 * count - 2)
    return min(place, 2 * count - 2 - place)


@inlined
def _weigh(part, weights):  # type: ignore[no-untyped-def]
    """The four weights of a cubic B-spline at ``part`` of the way from the second place to the third."""
    rest = 1.0 - part
    weights[1] = (part * part * (part - 2.0) * 3.0 + 4.0) / 6.0
    weights[2] = (rest * rest * (rest - 2.0) * 3.0 + 4.0) / 6.0
    weights[0] = rest * rest * rest / 6.0
    weights[3] = 1.0 - weights[0] - weights[1] - weights[2]


@inlined
def _spline(plane, py, px, down, along):  # type: ignore[no-untyped-def]
    """The spline at (py, px), 0 outside the plane."""
    height, width = plane.shape
    total = 0.0
    if 0.0 <= py <= height - 1 and 0.0 <= px <= width - 1:
        y, x = math.floor(py), math.floor(px)
        _weigh(py - y, down)
        _weigh(px - x, along)
        if 1 <= y < height - 2 and 1 <= x < width - 2:
            for i in range(4):
                for j in range(4):
                    total += plane[y - 1 + i, x - 1 + j] * down[i] * along[j]
        else:
            for i in range(4):
                row = plane[_mirrored(y - 1 + i, height)]
                for j in range(4):
                    total += row[_mirrored(x - 1 + j, width)] * down[i] * along[j]
    return total


@compiled
def mean_of_turns(plane, cosines, sines, weights, out):  # type: ignore[no-untyped-def]
    """The weighted mean of rotations, 0..1 to 0..255; means in single precision, one turn after the other.

    Args:
        plane: (H, W), the coefficients of the spline.
        cosines: of the angles.
        sines: likewise.
        weights: float32.
        out: (H, W), uint8, written.
    """
    height, width = plane.shape
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    down, along = np.empty(4), np.empty(4)
    whole = np.float32(0)
    for weight in weights:
        whole += weight
    for y in range(height):
        for x in range(width):
            total = np.float32(0)
            for turn in range(weights.size):
                c, s = cosines[turn], sines[turn]
                py = y * c + x * s + (middle_y - (c * middle_y + s * middle_x))
                px = y * -s + x * c + (middle_x - (-s * middle_y + c * middle_x))
                total += weights[turn] * np.float32(_spline(plane, py, px, down, along))
            value = total / whole * np.float32(255)
            out[y, x] = np.uint8(np.int32(min(max(value, np.float32(0)), np.float32(255))))
