"""Noise sequences: frame 0 is clean, and every later frame is a fresh draw over the clean one.

So frames are compared with the first, and not with their neighbours: two draws have nothing in common.
"""

from collections.abc import Callable, Iterator
from functools import partial

from stormbench.cells import Pixels
from stormbench.corruptions import noise
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.perturbations.view import View


def gaussian_noise(view: View, draws: Draws, *, frames: int, sigma: float) -> Iterator[Pixels]:
    """X + N(0, sigma**2). The reference draws from torch's generator, so no state reproduces its frames.

    Args:
        view: what is shown.
        draws: one normal a channel value and frame.
        frames: length of the sequence.
        sigma: standard deviation, image in 0..1.
    """
    return _after_clean(view, frames, partial(noise.gaussian_noise, draws=draws, sigma=sigma))


def shot_noise(view: View, draws: Draws, *, frames: int, photons: float) -> Iterator[Pixels]:
    """Poisson(photons x) / photons.

    Args:
        view: what is shown.
        draws: one count a channel value and frame.
        frames: length of the sequence.
        photons: expected count at full white.
    """
    return _after_clean(view, frames, partial(noise.shot_noise, draws=draws, photons=photons))


def speckle_noise(view: View, draws: Draws, *, frames: int, sigma: float) -> Iterator[Pixels]:
    """X + x N(0, sigma**2).

    Args:
        view: what is shown.
        draws: one normal a channel value and frame.
        frames: length of the sequence.
        sigma: standard deviation as a fraction of the value.
    """
    return _after_clean(view, frames, partial(noise.speckle_noise, draws=draws, sigma=sigma))


def _after_clean(view: View, frames: int, noisy: Callable[[Pixels], Pixels]) -> Iterator[Pixels]:
    yield view.clean.copy()
    for _ in range(1, frames):
        yield noisy(view.clean)
