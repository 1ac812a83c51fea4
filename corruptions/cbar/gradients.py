"""Perlin's gradient noise on a lattice that repeats after 256 cells."""

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.cbar.waves import level
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels.compiled import compiled

CELLS = 256
ORIGIN = 4096.0
"""Added to coordinates, so that they are positive."""

OCTAVES = 5


def lattice(draws: Draws) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The permutation and the gradients, drawn and doubled as Perlin's program does.

    A gradient of length 0, one in 262,144, stays 0, where the reference divides by 0.

    Args:
        draws: 514 gradients, then 256 places to swap with.

    Returns:
        (514,): cells; (514, 2): vectors of length 1.
    """
    gradients = (draws.integers31(2 * (2 * CELLS + 2)) % (2 * CELLS) - CELLS) / CELLS
    gradients = gradients.reshape(-1, 2)
    lengths = np.sqrt(gradients[:, 0] ** 2 + gradients[:, 1] ** 2)
    gradients /= np.where(lengths > 0, lengths, 1.0)[:, np.newaxis]
    cells = np.arange(2 * CELLS + 2)
    for i, other in zip(range(CELLS - 1, -1, -1), (draws.integers31(CELLS) % CELLS).tolist(), strict=True):
        cells[i], cells[other] = cells[other], cells[i]
    for table in (cells, gradients):
        table[CELLS : 2 * CELLS] = table[:CELLS]
        table[2 * CELLS :] = table[CELLS : CELLS + 2]
    return cells, gradients


@compiled
def _axis(count, step, octave):  # type: ignore[no-untyped-def]
    """For each row or column: its lattice cell, the next one, where it lies between them, and that smoothed."""
    lower, upper = np.empty(count, np.int64), np.empty(count, np.int64)
    inside, eased = np.empty(count), np.empty(count)
    for i in range(count):
        place = octave * (i * step) + ORIGIN
        lower[i] = int(place) % CELLS
        upper[i] = (lower[i] + 1) % CELLS
        inside[i] = place % 1.0
        eased[i] = inside[i] * inside[i] * (3.0 - 2.0 * inside[i])
    return lower, upper, inside, eased


@compiled
def turbulence(height, width, step, cells, gradients, out):  # type: ignore[no-untyped-def]
    """The sum over f = 1, 2, 4, 8, 16 of abs(noise(f y, f x)) / f.

    Args:
        height: rows.
        width: columns.
        step: lattice cells a pixel.
        cells: of ``lattice``.
        gradients: of ``lattice``.
        out: (height, width), written.
    """
    out[:] = 0.0
    gradient_y, gradient_x = gradients[:, 0].copy(), gradients[:, 1].copy()
    octave = 1.0
    for _ in range(OCTAVES):
        top, bottom, down, ease_down = _axis(height, step, octave)
        left, right, along, ease_along = _axis(width, step, octave)
        for y in range(height):
            above, below = cells[top[y]], cells[bottom[y]]
            dy = down[y]
            for x in range(width):
                dx = along[x]
                b00, b10 = cells[above + left[x]], cells[below + left[x]]
                b01, b11 = cells[above + right[x]], cells[below + right[x]]
                u = dy * gradient_y[b00] + dx * gradient_x[b00]
                v = (dy - 1.0) * gradient_y[b10] + dx * gradient_x[b10]
                first = u + ease_down[y] * (v - u)
                u = dy * gradient_y[b01] + (dx - 1.0) * gradient_x[b01]
                v = (dy - 1.0) * gradient_y[b11] + (dx - 1.0) * gradient_x[b11]
                second = u + ease_down[y] * (v - u)
                out[y, x] += abs((first + ease_along[x] * (second - first)) * 1.5) / octave
        octave *= 2.0


@compiled
def lighten(image, alpha, noise, out):  # type: ignore[no-untyped-def]
    """(1 - alpha) v + 255 alpha n with n = 0.5 + 0.5 noise, at most 1; the first product in single precision.

    Args:
        image: (H, W, 3), uint8.
        alpha: share of the noise.
        noise: (H, W), from 0 up.
        out: like the image, written.
    """
    height, width = image.shape[:2]
    kept = np.float32(1.0 - alpha)
    for y in range(height):
        for x in range(width):
            added = 255.0 * alpha * min(max(0.5 * noise[y, x] + 0.5, 0.0), 1.0)
            for channel in range(3):
                out[y, x, channel] = level(kept * np.float32(image[y, x, channel]) + added)
