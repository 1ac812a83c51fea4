"""What is laid over an image: waves, plasma, Perlin, brown and blue noise.

``v`` is a channel value, 0..255, ``S`` the short side of the image, and ``strength`` the real number that the tables of
ImageNet-C-bar print for a severity. Every quantity that grows with it is ``strength / 10`` of a largest one.
"""

from math import pi

import numpy as np

from stormbench.cells import Pixels
from stormbench.corruptions.cbar import gradients, waves
from stormbench.corruptions.cbar.spectrum import add_noise, coloured_noise
from stormbench.corruptions.draws import Draws


def of_most(strength: float, most: float) -> float:
    """The quantity that ``strength`` 10 makes ``most``."""
    return strength * most / 10.0


def single_frequency_greyscale(image: Pixels, draws: Draws, *, strength: float) -> Pixels:
    """A plane wave: v + k sin(x f0 + y f1 + phase), the same in all channels (cbar/waves.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: the two frequencies, which of them is which, the phase.
        strength: k is 196 at 10.
    """
    first = draws.angle(-pi, pi)
    pair = first, draws.angle(-abs(first), abs(first))
    along, down = (pair[place] for place in draws.order(2))
    phase = draws.angle(0.0, 2.0 * pi)
    out = np.empty_like(image)
    waves.plane_wave(image, of_most(strength, 196.0), along, down, phase, out)
    return out


def cocentric_sine_waves(image: Pixels, draws: Draws, *, strength: float) -> Pixels:
    """Wavy rings around a centre, a sawtooth and no sine in spite of the published name (cbar/waves.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: the centre, the waves of a turn, their amplitude and the width of the rings.
        strength: a tooth is 128 grey levels high at 10.
    """
    height, width = image.shape[:2]
    x0, y0 = draws.uniform(0.0, 1.0, (2,)) * (width, height)
    tenth = min(height, width) / 10.0
    frequency, amplitude, ring = draws.angle(0.0, 10.0), draws.angle(0.0, tenth), draws.angle(0.0, tenth)
    out = np.empty_like(image)
    waves.ring_wave(image, of_most(strength, 128.0), x0, y0, frequency, amplitude, ring, out)
    return out


def plasma_noise(image: Pixels, draws: Draws, *, strength: float) -> Pixels:
    """The image mixed with a coloured plasma: (1 - k / 255) v + k n (cbar/waves.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: time, number of bends, sharpness and scale of the plasma.
        strength: k is 64 at 10.
    """
    time, repeats = draws.angle(0.0, 6.0 * pi), draws.between(4, 7)
    sharpness, scale = draws.angle(0.5, 1.0), draws.angle(0.075, 0.2) * min(image.shape[:2])
    out = np.empty_like(image)
    waves.plasma_wave(image, of_most(strength, 64.0), time, repeats, sharpness, scale, out)
    return out


def perlin_noise(image: Pixels, draws: Draws, *, strength: float) -> Pixels:
    """The image mixed with turbulence, which only lightens: (1 - a) v + 255 a n, n in 0.5 .. 1 (cbar/gradients.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: the lattice: gradients and a permutation.
        strength: a is 0.5 at 10.
    """
    height, width = image.shape[:2]
    cells, vectors = gradients.lattice(draws.child())
    noise, out = np.empty((height, width)), np.empty_like(image)
    step = 1.0 / (32.0 * min(height, width) / 224.0)
    gradients.turbulence(height, width, step, cells, vectors, noise)
    gradients.lighten(image, of_most(strength, 0.5), noise, out)
    return out


def brownish_noise(image: Pixels, draws: Draws, *, strength: float) -> Pixels:
    """Noise of low frequencies, v + k n, with other phases in each channel (cbar/spectrum.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: the phases, channel by channel.
        strength: k is 64 standard deviations at 10.
    """
    height, width = image.shape[:2]
    phases, out = draws.child(), np.empty_like(image)
    for channel in range(3):
        noise = coloured_noise(height, width, phases, brown=True)
        add_noise(image, channel, of_most(strength, 64.0), noise, out)
    return out


def blue_noise_sample(image: Pixels, draws: Draws, *, strength: float) -> Pixels:
    """Pixels where noise of high frequencies is low turn black (cbar/spectrum.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: the phases.
        strength: the threshold is 0.5 standard deviations at 10, -2.5 at 0.
    """
    height, width = image.shape[:2]
    noise = coloured_noise(height, width, draws.child(), brown=False)
    return image * (noise > of_most(strength, 3.0) - 2.5)[:, :, np.newaxis]
