"""Wavelet denoising, which two of the defenses begin or end with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.restoration import denoise_wavelet
from torch import Tensor

from stormbench.defenses.preprocessing.pixels import followable


def denoise(images: Tensor, sigma: float) -> Tensor:
    """Soft thresholds by BayesShrink on the wavelets of YCbCr, by scikit-image; attackers get BPDA's identity.

    Args:
        images: ``(N, 3, H, W)`` in [0, 1].
        sigma: standard deviation of the noise that is taken away, for pixels in [0, 1]; 0 leaves the images alone.
    """
    return followable(images, lambda pixels: _denoise(pixels, sigma)) if sigma else images


def _denoise(pixels: NDArray[np.uint8], sigma: float) -> NDArray[Any]:
    found = denoise_wavelet(
        pixels / 255,
        sigma=sigma,
        mode="soft",
        method="BayesShrink",
        channel_axis=2,
        convert2ycbcr=True,
        rescale_sigma=True,  # without it sigma would not be brought to the range of YCbCr
    )
    return np.asarray(found)
