"""Weather sequences: snow, brightness and, from the validation four, spatter. ``x`` is the image in 0..1."""

from collections.abc import Iterator, Sequence

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import color

from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels import motion
from stormbench.corruptions.kernels.zoom import magnify
from stormbench.corruptions.opencv import cv2
from stormbench.corruptions.perturbations.view import View
from stormbench.corruptions.pixels import Pixels, quantise
from stormbench.corruptions.weather import WATER, _drops


def snow(
    view: View,
    draws: Draws,
    *,
    frames: int,
    mean: float,
    deviation: float,
    zoom: float,
    threshold: float,
    radius: float,
    sigma: float,
    first: float,
    degrees: float,
    image_weight: float,
) -> Iterator[Pixels]:
    """One field of flakes, driven by a wind that turns: no frame is clean.

    As the corruption, but x is double and all frames share their field.

    Args:
        view: what is shown.
        draws: the field.
        frames: length of the sequence.
        mean: of the field.
        deviation: of the field.
        zoom: magnification of the flakes.
        threshold: of the field, 0..1.
        radius: of the motion blur, pixels.
        sigma: of the motion blur, pixels.
        first: its angle in frame 0, degrees.
        degrees: that it turns per frame.
        image_weight: of the image against its whitened self.
    """
    field = magnify(draws.normal(mean, deviation, view.clean.shape[:2]), zoom)
    field[field < threshold] = 0
    flakes = quantise(field)
    values = view.clean / 255.0
    grey = cv2.cvtColor(values.astype(np.float32), cv2.COLOR_RGB2GRAY)[:, :, np.newaxis]
    whitened = image_weight * values + (1 - image_weight) * np.maximum(values, grey * 1.5 + 0.5)
    for i in range(frames):
        yield _fall(whitened, motion.motion_blur(flakes, radius, sigma, degrees * i + first))


@numba.njit(cache=True, nogil=True)
def _fall(ground: NDArray[np.float64], flakes: Pixels) -> Pixels:
    """The ground, the flakes, and the flakes turned by 180 degrees."""
    height, width, channels = ground.shape
    snowed = np.empty(ground.shape, np.uint8)
    for i in range(height):
        for j in range(width):
            here, turned = flakes[i, j] / 255.0, flakes[height - 1 - i, width - 1 - j] / 255.0
            for k in range(channels):
                snowed[i, j, k] = np.uint8(min((ground[i, j, k] + here) + turned, 1.0) * 255)
    return snowed


def brightness(
    view: View,
    draws: Draws,  # noqa: ARG001
    *,
    frames: int,
    still: int,
    percent: float,
) -> Iterator[Pixels]:
    """The value of HSV plus (i - still) percent.

    Hue and saturation stay, so each channel stays the same multiple of the value: they are computed once.

    Args:
        view: what is shown.
        draws: unused.
        frames: length of the sequence.
        still: the frame that is not changed.
        percent: of full value, per frame.
    """
    values, shares = _shares(view.clean / 255.0)
    for i in range(frames):
        yield _relit(values, shares, (i - still) * percent / 100)


def _shares(image: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The value of HSV, and each channel as a fraction of it, in the arithmetic of scikit-image's ``hsv2rgb``."""
    hue, saturation, value = np.moveaxis(color.rgb2hsv(image), 2, 0)
    sector = np.floor(hue * 6)
    rising = hue * 6 - sector
    full = np.ones_like(value)
    low, falling, rising = 1 - saturation, 1 - rising * saturation, 1 - (1 - rising) * saturation
    red = [full, falling, low, low, rising, full]
    green = [rising, full, full, falling, low, low]
    blue = [low, low, rising, full, full, falling]
    which = sector.astype(np.uint8) % 6
    return value, np.stack([np.choose(which, channel) for channel in (red, green, blue)], axis=2)


@numba.njit(cache=True, nogil=True)
def _relit(values: NDArray[np.float64], shares: NDArray[np.float64], shift: float) -> Pixels:
    image = np.empty(shares.shape, np.uint8)
    for i in range(shares.shape[0]):
        for j in range(shares.shape[1]):
            value = min(max(values[i, j] + shift, 0.0), 1.0)
            for k in range(3):
                image[i, j, k] = np.uint8(value * shares[i, j, k] * 255)
    return image


def spatter(
    view: View,
    draws: Draws,
    *,
    frames: int,
    mean: float,
    deviation: float,
    smoothing: float,
    threshold: float,
    strength: float,
    drip: Sequence[float],
) -> Iterator[Pixels]:
    """Drops of water that run down: no frame is clean.

    Args:
        view: what is shown.
        draws: the field.
        frames: length of the sequence.
        mean: of the field.
        deviation: of the field.
        smoothing: sigma of the Gaussian over the field, pixels.
        threshold: below it there is no water.
        strength: of the drops.
        drip: each column is convolved with it from frame to frame.
    """
    values = (view.clean / 255.0).astype(np.float32)
    water = ndimage.gaussian_filter(draws.normal(mean, deviation, values.shape[:2]), smoothing, mode="nearest")
    water[water < threshold] = 0
    for _ in range(frames):
        drops = _drops((water * 255).astype(np.uint8)) * strength
        yield quantise(values + drops[:, :, np.newaxis] * WATER.astype(np.float32))
        water = np.stack([np.convolve(column, drip, mode="same") for column in water.T], axis=1)
