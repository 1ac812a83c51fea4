"""Blur sequences: motion, zoom and, from the validation four, gaussian."""

from collections.abc import Iterator

import numpy as np

from stormbench.cells import Pixels
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels import motion
from stormbench.corruptions.kernels.compiled import UNIT32, compiled
from stormbench.corruptions.kernels.gaussian import half_weights, nearest, smooth_field
from stormbench.corruptions.perturbations.sampling import affine, affine_map
from stormbench.corruptions.perturbations.view import View
from stormbench.corruptions.pixels import quantise


def motion_blur(
    view: View,
    draws: Draws,  # noqa: ARG001
    *,
    frames: int,
    radius: float,
    sigma: float,
    last: int,
    degrees: float,
) -> Iterator[Pixels]:
    """The clean image, blurred in a direction that turns: no frame is clean.

    Args:
        view: what is shown.
        draws: unused.
        frames: length of the sequence.
        radius: of the trail, pixels.
        sigma: of the trail's one-sided Gaussian, pixels.
        last: the frame whose trail is horizontal.
        degrees: that the direction turns per frame.
    """
    for i in range(frames):
        yield view.show(motion.motion_blur(view.whole, radius, sigma, (i - last) * degrees))


def zoom_blur(view: View, draws: Draws, *, frames: int, growth: float) -> Iterator[Pixels]:  # noqa: ARG001
    """The running mean of the clean image and its magnifications so far: frame 0 is clean.

    Args:
        view: what is shown.
        draws: unused.
        frames: length of the sequence.
        growth: frame i adds the magnification by 1 + growth i.
    """
    height, width = view.whole.shape[:2]
    total = np.zeros(view.clean.shape, np.float32)
    for i in range(frames):
        magnified = affine(view, affine_map(width, height, factor=1 + growth * i)) if i else view.clean
        yield _add_and_average(total, magnified, i + 1)


@compiled
def _add_and_average(total, image, count):  # type: ignore[no-untyped-def]
    """Adds an image (in 0..1) to the total and gives the mean of ``count`` such images, all in single precision."""
    mean = np.empty_like(image)
    images = np.float32(count)
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            for k in range(total.shape[2]):
                total[i, j, k] += UNIT32[image[i, j, k]]
                mean[i, j, k] = np.uint8(np.int32(total[i, j, k] / images * np.float32(255)))
    return mean


def gaussian_blur(
    view: View,
    draws: Draws,  # noqa: ARG001
    *,
    frames: int,
    first: float,
    growth: float,
    truncate: float,
) -> Iterator[Pixels]:
    """G(sigma) of each channel, sigma growing from frame to frame; borders are replicated.

    Args:
        view: what is shown.
        draws: unused.
        frames: length of the sequence.
        first: sigma of frame 0, pixels.
        growth: of sigma per frame, pixels.
        truncate: the filter is cut at so many sigmas.
    """
    channels = [np.ascontiguousarray(view.clean[:, :, c]) / 255.0 for c in range(3)]
    for i in range(frames):
        weights = half_weights(first + growth * i, truncate)
        yield quantise(np.stack([smooth_field(channel, weights, nearest) for channel in channels], axis=2))
