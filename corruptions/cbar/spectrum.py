"""Noise whose amplitude is a function of the frequency and whose phases are drawn."""

import math

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.cbar.trigonometry import cosine, sine
from stormbench.corruptions.cbar.waves import level
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels.compiled import compiled, inlined


def coloured_noise(height: int, width: int, draws: Draws, *, brown: bool) -> NDArray[np.float64]:
    """The real part of the inverse Fourier transform of A(r) exp(i phase), divided by its standard deviation.

    r is the frequency, waves on the short side. Phases are drawn for the left half; the right half is the left one
    turned by 180 degrees. So no spectrum of a real field comes out, and its real part is taken: that is the inverse
    transform of its Hermitian part, of which half the columns suffice.

    Args:
        height: rows.
        width: columns.
        draws: height * ceil(width / 2) phases.
        brown: A(r) = 1 / (r**2 + 1); otherwise blue, A(r) = r.

    Returns:
        (height, width), mean not removed.
    """
    half = np.empty((height, width // 2 + 1), np.complex128)
    phases = draws.uniform(0.0, 2.0 * math.pi, (height, (width + 1) // 2))
    _fill_half(phases, width, min(height, width), brown, half)
    del phases
    noise = np.fft.irfft2(half, (height, width))
    noise /= noise.std()
    return noise


@inlined
def _phase(phases, y, x, width):  # type: ignore[no-untyped-def]
    return phases[y, x] if x < phases.shape[1] else phases[phases.shape[0] - 1 - y, width - 1 - x]


@compiled
def _fill_half(phases, width, short, brown, half):  # type: ignore[no-untyped-def]
    """The Hermitian part of the spectrum, frequency 0 first, without the columns of negative frequencies."""
    height, columns = half.shape
    here, opposite = np.empty(columns), np.empty(columns)
    for row in range(height):
        y, turned = (row + height // 2) % height, (height - row + height // 2) % height
        for column in range(columns):
            here[column] = _phase(phases, y, (column + width // 2) % width, width)
            opposite[column] = _phase(phases, turned, (width - column + width // 2) % width, width)
        down = (y - height // 2) * (short / height)
        for column in range(columns):
            along = column * (short / width)
            r = math.sqrt(along * along + down * down)
            amplitude = 0.5 * (1.0 / (r * r + 1.0) if brown else r)
            real = amplitude * (cosine(here[column]) + cosine(opposite[column]))
            imaginary = amplitude * (sine(here[column]) - sine(opposite[column]))
            half[row, column] = complex(real, imaginary)


@compiled
def add_noise(image, channel, strength, noise, out):  # type: ignore[no-untyped-def]
    """Adds noise to one channel.

    Args:
        image: (H, W, 3), uint8.
        channel: 0, 1 or 2.
        strength: grey levels.
        noise: (H, W).
        out: like the image; the channel is written.
    """
    height, width = image.shape[:2]
    for y in range(height):
        for x in range(width):
            out[y, x, channel] = level(image[y, x, channel] + strength * noise[y, x])
