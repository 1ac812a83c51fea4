"""Wavelet denoising, which two of the defenses begin or end with."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2ycbcr
from skimage.restoration import denoise_wavelet
from torch import Tensor

from stormbench.defenses.preprocessing.pixels import followable


def denoise(images: Tensor, sigma: float, *, rescale_sigma: bool) -> Tensor:
    """Soft thresholds by BayesShrink on the wavelets of YCbCr, by scikit-image; attackers get BPDA's identity.

    Args:
        images: ``(N, 3, H, W)`` in [0, 1].
        sigma: standard deviation of the noise that is taken away, for pixels in [0, 1]; 0 leaves the images alone.
        rescale_sigma: scale sigma to the range of each channel of YCbCr; scikit-image before 0.16, which both papers
            used, did not.
    """
    return followable(images, partial(_denoise, sigma=sigma, rescale_sigma=rescale_sigma)) if sigma else images


def _denoise(pixels: NDArray[np.uint8], *, sigma: float, rescale_sigma: bool) -> NDArray[Any]:
    image = pixels / 255
    found = denoise_wavelet(
        image,
        sigma=sigma if rescale_sigma else _unscaled(image, sigma),
        mode="soft",
        method="BayesShrink",
        channel_axis=2,
        convert2ycbcr=True,
        rescale_sigma=rescale_sigma,
    )
    return np.asarray(found)


def _unscaled(image: NDArray[Any], sigma: float) -> list[float]:
    """Sigmas of the channels of YCbCr that are ``sigma`` once the library has divided them by the channels' ranges."""
    ranges = np.ptp(rgb2ycbcr(image), axis=(0, 1))
    return (sigma * ranges).tolist()  # type: ignore[no-any-return]
