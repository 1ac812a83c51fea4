"""Pixel deflection."""

import math
from typing import Unpack

import torch
from torch import Tensor, nn

from stormbench.defenses.base import RandomDefense, Voting
from stormbench.defenses.preprocessing.wavelet import denoise
from stormbench.errors import InputError


class PixelDeflection(RandomDefense):
    """Replaces random channel values by near ones, then denoises wavelets (Prakash et al. 2018, arXiv 1801.08926).

    As in the authors' code every channel has its own places, a neighbour outside the image is drawn again (and so is
    one in the first row or column), and sigma is not scaled to the range of YCbCr. The paper steers deflections away
    from a class activation map; this is its variant without the map, which needs no second network. Two values may be
    exchanged at once here; there they follow each other. Gradients pass to the values that were copied, and through the
    denoising by BPDA's identity.

    Args:
        model: see :class:`~stormbench.defenses.base.Defense`.
        deflections: how many channel values of an image are replaced, rounded up to a multiple of 3; the paper's 200
            are for 224x224.
        window: how far away the replacement is at most, in pixels.
        sigma: of the wavelet denoising, for pixels in [0, 1]; 0 leaves it out.
        rescale_sigma: scale sigma to the range of YCbCr, as scikit-image can do since 0.16.
        voting: see :class:`~stormbench.defenses.base.RandomDefense`.

    Raises:
        InputError: a number is out of range.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        deflections: int = 200,
        window: int = 10,
        sigma: float = 0.04,
        rescale_sigma: bool = False,
        **voting: Unpack[Voting],
    ) -> None:
        super().__init__(model, **voting)
        if deflections < 0 or window < 1 or sigma < 0:
            raise InputError(f"deflections {deflections} and sigma {sigma} are at least 0, window {window} at least 1")
        self.deflections = deflections
        self.window = window
        self.sigma = sigma
        self.rescale_sigma = rescale_sigma

    def transform(self, images: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to the same shape."""
        return denoise(self.deflect(images), self.sigma, rescale_sigma=self.rescale_sigma)

    def deflect(self, images: Tensor) -> Tensor:
        """The random half: some values of each channel replaced by those of near pixels."""
        n, channels, height, width = images.shape
        shape = (channels, math.ceil(self.deflections / 3))
        rows, columns = (self.randomness.integers(0, side - 1, images, *shape) for side in (height, width))
        near_rows, near_columns = self._near(rows, height, images), self._near(columns, width, images)
        source = torch.arange(height * width, device=images.device).repeat(n, channels, 1)
        source.scatter_(2, rows * width + columns, near_rows * width + near_columns)
        return images.flatten(start_dim=2).gather(2, source).view_as(images)

    def _near(self, places: Tensor, side: int, images: Tensor) -> Tensor:
        """A uniform place within the window of each, from the second to the last of the side (its only one if 1)."""
        low = (places - self.window).clamp(min(1, side - 1), side - 1)
        high = (places + self.window).clamp(max=side - 1)
        share = self.randomness.uniform(images, *places.shape[1:])
        return torch.minimum(low + (share * (high - low + 1)).long(), high)
