"""Blur: defocus, glass, motion, zoom and, from the validation four, gaussian.

``x`` is the image in 0..1, and G(sigma) a Gaussian filter of each channel: separable, cut at 4 sigma, borders
replicated. Sizes are in pixels of the image, whatever its height and width.
"""

import numpy as np

from stormbench.cells import Pixels
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels import motion, zoom
from stormbench.corruptions.kernels.disk import defocus, disk
from stormbench.corruptions.kernels.gaussian import smooth_pixels
from stormbench.corruptions.kernels.shuffle import copy_near


def gaussian_blur(image: Pixels, draws: Draws, *, sigma: float) -> Pixels:  # noqa: ARG001
    """G(sigma) x (kernels/gaussian.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: unused.
        sigma: pixels.
    """
    return smooth_pixels(image, sigma)


def defocus_blur(image: Pixels, draws: Draws, *, radius: float, antialias_sigma: float) -> Pixels:  # noqa: ARG001
    """The image filtered with a disk whose rim is softened (kernels/disk.py).

    The border is reflected without repeating its last pixel.

    Args:
        image: uint8 RGB, any H x W.
        draws: unused.
        radius: of the disk, pixels.
        antialias_sigma: of the Gaussian over the disk, pixels.
    """
    return defocus(image, disk(radius, antialias_sigma))


def glass_blur(image: Pixels, draws: Draws, *, sigma: float, reach: int, repeats: int) -> Pixels:
    """Pixels are replaced by near ones, between two Gaussians: G(sigma), then shuffle, then G(sigma).

    Each pass goes from the last row and column to the first, ``reach`` away from the border, and copies to each pixel
    the one (dx, dy) away, both in -reach .. reach - 1. It copies and does not swap, as the reference does
    (kernels/shuffle.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: a pair of integers a pixel and pass.
        sigma: of both Gaussians, pixels.
        reach: farthest shift, pixels.
        repeats: number of passes.
    """
    height, width = image.shape[:2]
    shuffled = smooth_pixels(image, sigma)
    copied = max(height - 2 * reach, 0) * max(width - 2 * reach, 0)
    copy_near(shuffled, draws.shifts(reach, repeats * copied), reach, repeats)
    return smooth_pixels(shuffled, sigma)


def motion_blur(image: Pixels, draws: Draws, *, radius: float, sigma: float) -> Pixels:
    """A trail in a direction within 45 degrees of horizontal, by ImageMagick's arithmetic (kernels/motion.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: the angle.
        radius: pixels.
        sigma: of the trail's one-sided Gaussian, pixels.
    """
    return motion.motion_blur(image, radius, sigma, draws.angle(-45, 45))


def zoom_blur(image: Pixels, draws: Draws, *, stop: float, step: float) -> Pixels:  # noqa: ARG001
    """The mean of x and of x magnified about its middle by each of 1, 1 + step, ... (kernels/zoom.py).

    Args:
        image: uint8 RGB, any H x W; each side of a non-square one is magnified by the same factor about its middle.
        draws: unused.
        stop: end of the factors, as ``numpy.arange(1, stop, step)`` rounds it.
        step: between the factors.
    """
    return zoom.zoom_blur(image, np.arange(1, stop, step))
