"""Noise: gaussian, shot, impulse and, from the validation four, speckle.

All four treat every channel value by itself, so an image of any height and width is corrupted like a square one.
``x`` is the image in 0..1.
"""

import numpy as np

from stormbench.corruptions.draws import Draws
from stormbench.corruptions.pixels import Pixels, quantise


def gaussian_noise(image: Pixels, draws: Draws, *, sigma: float) -> Pixels:
    """X + N(0, sigma**2).

    Args:
        image: uint8 RGB, any H x W.
        draws: one normal a channel value.
        sigma: standard deviation, image in 0..1.
    """
    return quantise(image / 255.0 + draws.normal(0.0, sigma, image.shape))


def shot_noise(image: Pixels, draws: Draws, *, photons: float) -> Pixels:
    """Poisson(photons x) / photons.

    Args:
        image: uint8 RGB, any H x W.
        draws: one count a channel value.
        photons: expected count at full white.
    """
    return quantise(draws.poisson(image / 255.0 * photons) / photons)


def impulse_noise(image: Pixels, draws: Draws, *, fraction: float) -> Pixels:
    """Salt and pepper: a fraction of the channel values turn white or black, half of them each.

    This is the law and, given a legacy state, the draws of scikit-image before 0.19, with which the benchmark was made.

    Args:
        image: uint8 RGB, any H x W.
        draws: a field of hits, then a field of colours.
        fraction: share of the values that are hit.
    """
    hit = draws.chance(fraction, image.shape)
    white = draws.chance(0.5, image.shape)
    return np.where(hit, np.where(white, 255, 0), image).astype(np.uint8)


def speckle_noise(image: Pixels, draws: Draws, *, sigma: float) -> Pixels:
    """X + x N(0, sigma**2).

    Args:
        image: uint8 RGB, any H x W.
        draws: one normal a channel value.
        sigma: standard deviation as a fraction of the value.
    """
    values = image / 255.0
    return quantise(values + values * draws.normal(0.0, sigma, image.shape))
