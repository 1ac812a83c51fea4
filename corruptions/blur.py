"""Blur: defocus, glass, motion, zoom and, from the validation four, gaussian.

``x`` is the image in 0..1, and G(sigma) a Gaussian filter of each channel: separable, cut at 4 sigma, borders
replicated. Sizes are in pixels of the image, whatever its height and width.
"""

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels import motion
from stormbench.corruptions.kernels.zoom import magnify
from stormbench.corruptions.opencv import cv2
from stormbench.corruptions.pixels import Pixels, quantise


def _smooth(image: Pixels, sigma: float) -> NDArray[np.float64]:
    return np.stack([ndimage.gaussian_filter(image[:, :, c] / 255.0, sigma, mode="nearest") for c in range(3)], axis=2)


def gaussian_blur(image: Pixels, draws: Draws, *, sigma: float) -> Pixels:  # noqa: ARG001
    """G(sigma) x."""
    return quantise(_smooth(image, sigma))


def defocus_blur(image: Pixels, draws: Draws, *, radius: float, antialias_sigma: float) -> Pixels:  # noqa: ARG001
    """X filtered with a disk whose rim is softened; the border is reflected without repeating its last pixel.

    Args:
        image: uint8 RGB, any H x W.
        draws: unused.
        radius: of the disk, pixels.
        antialias_sigma: of the Gaussian over the disk, pixels.
    """
    disk = disk_kernel(radius, antialias_sigma)
    return quantise(np.stack([cv2.filter2D(image[:, :, c] / 255.0, -1, disk) for c in range(3)], axis=2))


def disk_kernel(radius: float, antialias_sigma: float) -> NDArray[np.float32]:
    """A disk of sum 1, blurred over 3 x 3 pixels (5 x 5 where its radius is over 8); 17 x 17 at least."""
    reach, window = (8, 3) if radius <= 8 else (int(radius), 5)
    axis = np.arange(-reach, reach + 1)
    disk = (axis[:, np.newaxis] ** 2 + axis**2 <= radius**2).astype(np.float32)
    disk /= disk.sum()
    return np.asarray(cv2.GaussianBlur(disk, (window, window), sigmaX=antialias_sigma))


def glass_blur(image: Pixels, draws: Draws, *, sigma: float, reach: int, repeats: int) -> Pixels:
    """Pixels are replaced by near ones, between two Gaussians: G(sigma), then shuffle, then G(sigma).

    Each pass goes from the last row and column to the first, ``reach`` away from the border, and copies to each pixel
    the one (dx, dy) away, both in -reach .. reach - 1. It copies and does not swap, as the reference does.

    Args:
        image: uint8 RGB, any H x W.
        draws: a pair of integers a pixel and pass.
        sigma: of both Gaussians, pixels.
        reach: farthest shift, pixels.
        repeats: number of passes.
    """
    height, width = image.shape[:2]
    shuffled = quantise(_smooth(image, sigma))
    shifts = draws.integers(-reach, reach, (repeats, max(height - 2 * reach, 0), max(width - 2 * reach, 0), 2))
    _copy_near(shuffled, shifts, reach)
    return quantise(_smooth(shuffled, sigma))


@numba.njit(cache=True, nogil=True)
def _copy_near(image: Pixels, shifts: NDArray[np.int64], reach: int) -> None:
    height, width = image.shape[:2]
    for repeat in range(shifts.shape[0]):
        for i in range(shifts.shape[1]):
            for j in range(shifts.shape[2]):
                row, column = height - reach - i, width - reach - j
                dx, dy = shifts[repeat, i, j]
                for c in range(3):
                    image[row, column, c] = image[row + dy, column + dx, c]


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
    values = (image / 255.0).astype(np.float32)
    factors = np.arange(1, stop, step)
    total = np.zeros_like(values)
    for factor in factors:
        total += magnify(values, factor)
    return quantise((values + total) / (len(factors) + 1))
