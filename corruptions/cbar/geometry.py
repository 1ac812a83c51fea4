"""What moves an image's pixels (names and ``strength`` as in cbar/noise.py)."""

from math import pi

import numpy as np

from stormbench.cells import Pixels
from stormbench.corruptions.cbar import caustics
from stormbench.corruptions.cbar.bending import ripple_axes, whirl
from stormbench.corruptions.cbar.noise import of_most
from stormbench.corruptions.cbar.turning import mean_of_turns
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels.compiled import UNIT32


def caustic_refraction(image: Pixels, draws: Draws, *, strength: float) -> Pixels:
    """The image at the bottom of a pool, refracted and lit by its waves (cbar/caustics.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: time and size of the waves.
        strength: the lens is S / 2 and the glare 2 at 10.
    """
    height, width = image.shape[:2]
    short = min(height, width)
    time, size = draws.angle(0.5, 2.0), draws.angle(0.75, 1.25) * short
    light, out = caustics.brightness(height, width, time, size), np.empty_like(image)
    caustics.refract(UNIT32[image], light, of_most(strength, 0.5 * short), of_most(strength, 2.0), out)
    return out


def pinch_and_twirl(image: Pixels, draws: Draws, *, strength: float) -> Pixels:
    """A grid of whirls, 3 on the short side (5 where it has 224 pixels), one after the other (cbar/bending.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: which way each turns.
        strength: they turn by pi / 2 and pinch by 0.5 at 10.
    """
    height, width = image.shape[:2]
    short = min(height, width)
    side = short // (5 if short == 224 else 3)
    turns = draws.signs((height // side) * (width // side)) * of_most(strength, pi / 2.0)
    work, cell = image.astype(np.float32), np.empty((side, side, 3), np.float32)
    for place, turn in enumerate(turns):
        band, row = divmod(place, height // side)
        whirl(work, row * side, band * side, side, turn, of_most(strength, 0.4) + 0.1, cell)
    return np.clip(work, 0, 255).astype(np.uint8)


def ripple(image: Pixels, draws: Draws, *, strength: float) -> Pixels:
    """Rows and columns read from where a sine moves them (cbar/bending.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: wavelength and phase, down and along.
        strength: they move by S / 40 at 10.
    """
    height, width = image.shape[:2]
    short, out = min(height, width), np.empty_like(image)
    wavelengths, phases = draws.uniform(0.1, 0.3, (2,)) * short, draws.uniform(0.0, 2.0 * pi, (2,))
    reach = of_most(strength, 0.025) * short
    rows, columns = (
        np.arange(count) + reach * np.sin(2.0 * pi * np.arange(count) / wavelength + phase)
        for count, wavelength, phase in zip((height, width), wavelengths, phases, strict=True)
    )
    ripple_axes(image, rows, columns, out)
    return out


def circular_motion_blur(image: Pixels, draws: Draws, *, strength: float) -> Pixels:  # noqa: ARG001
    """The weighted mean of 21 rotations about the middle, cubic splines, black outside (cbar/turning.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: unused.
        strength: the last rotations are by 15 degrees at 10.
    """
    from scipy import ndimage, special

    parts = 2.0 * np.arange(21) / 20.0 - 1.0
    degrees, weights = parts * of_most(strength, 15.0), np.exp(-2.0 * parts**2).astype(np.float32)
    cosines, sines = special.cosdg(degrees), special.sindg(degrees)
    out = np.empty_like(image)
    for channel in range(3):
        plane = ndimage.spline_filter(UNIT32[image[:, :, channel]], 3, np.float64)
        mean_of_turns(plane, cosines, sines, weights, out[:, :, channel])
    return out


def transverse_chromatic_abberation(image: Pixels, draws: Draws, *, strength: float) -> Pixels:
    """The three channels magnified differently, and smoothed by the cubic splines' lack of a prefilter.

    Args:
        image: uint8 RGB, any H x W.
        draws: which channel is magnified by which factor.
        strength: the factors are 1, 1.25 and 1.5 at 10.
    """
    from scipy import ndimage

    height, width = image.shape[:2]
    most, out = of_most(strength, 0.5), np.empty_like(image)
    factors = (1.0, 1.0 + most / 2.0, 1.0 + most)
    for channel, place in enumerate(draws.order(3)):
        zoomed = ndimage.zoom(image[:, :, channel], factors[place], order=3, prefilter=False)
        top, left = (zoomed.shape[0] - height) // 2, (zoomed.shape[1] - width) // 2
        out[:, :, channel] = zoomed[top : top + height, left : left + width]
    return out
