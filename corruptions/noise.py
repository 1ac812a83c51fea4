"""Noise: gaussian, shot, impulse and, from the validation four, speckle.

All four treat every channel value by itself, so an image of any height and width is corrupted like a square one.
``x`` is the image in 0..1, ``v`` in 0..255.

What comes out is a whole number, so with our own stream each value is one draw from a discrete law
(kernels/alias.py): the law of the reference's arithmetic, without the detour over a field of reals.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels.alias import (
    Laws,
    Words,
    alias_tables,
    draw_levels,
    draw_shifts,
    salt_and_pepper,
    shares,
)
from stormbench.corruptions.pixels import quantise

PIECE = 1 << 15
LEVELS = np.arange(256)


def gaussian_noise(image: Pixels, draws: Draws, *, sigma: float) -> Pixels:
    """Normal noise: x + N(0, sigma**2).

    Args:
        image: uint8 RGB, any H x W.
        draws: one normal a channel value.
        sigma: standard deviation, image in 0..1.
    """
    if draws.replays:
        return in_pieces(image, lambda v: quantise(v / 255.0 + draws.normal(0.0, sigma, v.shape)))
    return word_by_word(image, draws, draw_shifts, _shift_table(sigma))


def shot_noise(image: Pixels, draws: Draws, *, photons: float) -> Pixels:
    """Poisson(photons x) / photons.

    Args:
        image: uint8 RGB, any H x W.
        draws: one count a channel value.
        photons: expected count at full white.
    """
    if draws.replays:
        return in_pieces(image, lambda v: quantise(draws.poisson(v / 255.0 * photons) / photons))
    return word_by_word(image, draws, draw_levels, _shot_tables(photons))


def impulse_noise(image: Pixels, draws: Draws, *, fraction: float) -> Pixels:
    """Salt and pepper: a fraction of the channel values turn white or black, half of them each.

    Given a legacy state, the draws are those of scikit-image before 0.19, with which the benchmark was made: a field of
    hits, then a field of colours.

    Args:
        image: uint8 RGB, any H x W.
        draws: hit and colour of each channel value.
        fraction: share of the values that are hit.
    """
    if draws.replays:
        hit = in_pieces(image, lambda v: draws.unit(v.size) < fraction)
        white = in_pieces(image, lambda v: draws.unit(v.size) < 0.5)
        return np.where(hit, white * np.uint8(255), image)
    return word_by_word(image, draws, salt_and_pepper, *shares(fraction))


def speckle_noise(image: Pixels, draws: Draws, *, sigma: float) -> Pixels:
    """Noise in proportion: x + x N(0, sigma**2).

    Args:
        image: uint8 RGB, any H x W.
        draws: one normal a channel value.
        sigma: standard deviation as a fraction of the value.
    """
    if draws.replays:
        return in_pieces(image, lambda v: quantise(v / 255.0 + v / 255.0 * draws.normal(0.0, sigma, v.shape)))
    return word_by_word(image, draws, draw_levels, _speckle_tables(sigma))


def word_by_word(image: Pixels, draws: Draws, draw: Callable[..., None], *law: object) -> Pixels:
    """Draws each value from its law by one word of 32 bits.

    Args:
        image: any shape.
        draws: not replaying.
        draw: ``(values, words, *law, out)``.
        law: as ``draw`` takes it.
    """
    out = np.empty_like(image)
    values, results = image.ravel(), out.ravel()
    for start in range(0, values.size, PIECE):
        piece = values[start : start + PIECE]
        draw(piece, draws.words32(piece.size), *law, results[start : start + PIECE])
    return out


def in_pieces(image: Pixels, noisy: Callable[[Pixels], Pixels | NDArray[np.bool_]]) -> Pixels:
    """Applies a function of single values to some of them at a time: its fields of doubles stay small.

    Draws come one after the other, so the pieces get what the whole would.
    """
    out = np.empty_like(image)
    values, results = image.ravel(), out.ravel()
    for start in range(0, values.size, PIECE):
        results[start : start + PIECE] = noisy(values[start : start + PIECE])
    return out


def normal_below(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability that a standard normal number is at most x."""
    from scipy import special  # takes a third of a second, and only tables need it

    return np.asarray(special.ndtr(x))


def gaussian_law(sigma: float) -> Laws:
    """Of the whole shift floor(255 sigma n), which does not depend on v: from -255 (or less) to 255 (or more).

    Returns:
        (512,): the probability of the shift i - 255; the last is 0.
    """
    below = normal_below(np.arange(-254, 256) / (255.0 * sigma))
    return np.append(np.diff(below, prepend=0.0, append=1.0), 0.0)


def speckle_law(sigma: float) -> Laws:
    """Of floor(v + v sigma n), clipped.

    Returns:
        (256, 256): the probability of each outcome for each v.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        below = normal_below((LEVELS[1:] - LEVELS[:, np.newaxis]) / (LEVELS[:, np.newaxis] * sigma))
    return np.diff(below, prepend=0.0, append=1.0)


def shot_law(photons: float) -> Laws:
    """Of the outcome of a Poisson number of photons of mean photons v / 255; white from ``photons`` of them on.

    Returns:
        (256, 256): the probability of each outcome for each v.
    """
    from scipy import special

    counts = np.arange(int(np.ceil(photons)))
    rates = LEVELS[:, np.newaxis] / 255.0 * photons
    law = np.zeros((256, 256))
    chances = np.exp(special.xlogy(counts, rates) - rates - special.gammaln(counts + 1))
    for outcome, chance in zip(quantise(counts / photons), chances.T, strict=True):
        law[:, outcome] += chance
    law[:, 255] += np.maximum(1.0 - chances.sum(axis=1), 0.0)
    return law


@lru_cache(maxsize=32)
def _shift_table(sigma: float) -> Words:
    return np.asarray(alias_tables(gaussian_law(sigma)[np.newaxis])[0])


@lru_cache(maxsize=32)
def _speckle_tables(sigma: float) -> Words:
    return alias_tables(speckle_law(sigma))


@lru_cache(maxsize=32)
def _shot_tables(photons: float) -> Words:
    return alias_tables(shot_law(photons))
