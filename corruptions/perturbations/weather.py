"""Weather sequences: snow, brightness and, from the validation four, spatter. ``x`` is the image in 0..1."""

from collections.abc import Iterator, Sequence

import numpy as np

from stormbench.cells import Pixels
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels import motion
from stormbench.corruptions.kernels.compiled import UNIT, compiled, to_byte
from stormbench.corruptions.kernels.gaussian import half_weights, nearest, smooth_field
from stormbench.corruptions.kernels.hsv import recolour
from stormbench.corruptions.kernels.zoom import magnify
from stormbench.corruptions.opencv import cv2
from stormbench.corruptions.perturbations.view import View
from stormbench.corruptions.pixels import quantise
from stormbench.corruptions.weather import WATER, drops


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


@compiled
def _fall(ground, flakes):  # type: ignore[no-untyped-def]
    """The ground, the flakes, and the flakes rotated by 180 degrees."""
    height, width, channels = ground.shape
    snowed = np.empty(ground.shape, np.uint8)
    for i in range(height):
        for j in range(width):
            here, rotated = UNIT[flakes[i, j]], UNIT[flakes[height - 1 - i, width - 1 - j]]
            for k in range(channels):
                snowed[i, j, k] = to_byte((ground[i, j, k] + here) + rotated)
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

    Args:
        view: what is shown.
        draws: unused.
        frames: length of the sequence.
        still: the frame that is not changed.
        percent: of full value, per frame.
    """
    for i in range(frames):
        yield recolour(view.clean, (i - still) * percent / 100, 1.0, 0.0)


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
    water = smooth_field(draws.normal(mean, deviation, values.shape[:2]), half_weights(smoothing), nearest)
    water[water < threshold] = 0
    for _ in range(frames):
        shading = drops((water * 255).astype(np.uint8)) * strength
        yield quantise(values + shading[:, :, np.newaxis] * WATER.astype(np.float32))
        water = np.stack([np.convolve(column, drip, mode="same") for column in water.T], axis=1)
