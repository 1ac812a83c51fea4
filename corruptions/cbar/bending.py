"""Pixels read from elsewhere: ripples, and a grid of whirls."""

import math

import numpy as np

from stormbench.corruptions.cbar.bilinear import mixed, mixed_single
from stormbench.corruptions.cbar.waves import level
from stormbench.corruptions.kernels.compiled import compiled


@compiled
def ripple_axes(image, rows, columns, out):  # type: ignore[no-untyped-def]
    """Reads each pixel from a row and a column of its own.

    Args:
        image: (H, W, 3), uint8.
        rows: (H,), where each row is read.
        columns: (W,), likewise.
        out: like the image, written.
    """
    for y in range(rows.size):
        for x in range(columns.size):
            for channel in range(3):
                out[y, x, channel] = level(mixed(image, rows[y], columns[x], channel))


@compiled
def whirl(image, top, left, side, angle, amount, cell):  # type: ignore[no-untyped-def]
    """Pinches and twirls the disk in one square cell; what it reads may have been changed with the cells before.

    Args:
        image: (H, W, 3), float32, 0..255; the cell is overwritten when all of it has been read.
        top: first row of the cell.
        left: its first column.
        side: pixels.
        angle: of the twirl in the middle, radians.
        amount: of the pinch: an exponent.
        cell: (side, side, 3), float32, overwritten.
    """
    radius = side / 2
    row, column = top + radius, left + radius
    for y in range(side):
        for x in range(side):
            dy, dx = top + y - row, left + x - column
            distance = math.sqrt(dy * dy + dx * dx)
            py, px = float(top + y), float(left + x)
            if distance <= radius and np.rint(distance * 1000.0) != 0.0:
                part = distance / radius
                pinch = math.sin(math.pi * 0.5 * part) ** -amount
                turn = angle * ((1.0 - part) * (1.0 - part))
                dy, dx = dy * pinch, dx * pinch
                py = row + (dy * math.cos(turn) - dx * math.sin(turn))
                px = column + (dy * math.sin(turn) + dx * math.cos(turn))
            for channel in range(3):
                cell[y, x, channel] = mixed_single(image, py, px, channel)[0]
    image[top : top + side, left : left + side] = cell
