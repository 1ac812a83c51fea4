"""Pixel deflection."""

from typing import Unpack

import torch
from torch import Tensor, nn

from stormbench.defenses.base import RandomDefense, Voting
from stormbench.defenses.preprocessing.wavelet import denoise
from stormbench.errors import InputError


class PixelDeflection(RandomDefense):
    """Replaces random pixels by near ones, then denoises wavelets (Prakash et al. 2018, arXiv 1801.08926).

    The paper steers deflections away from a class activation map; this is its variant without the map, which needs no
    second network. Gradients pass to the pixels that were copied, and through the denoising by BPDA's identity.

    Args:
        model: see :class:`~stormbench.defenses.base.Defense`.
        deflections: how many pixels of an image are replaced; the paper's 200 are for 299x299.
        window: how far away the replacement is at most, in pixels.
        sigma: of the wavelet denoising, for pixels in [0, 1]; 0 leaves it out.
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
        **voting: Unpack[Voting],
    ) -> None:
        super().__init__(model, **voting)
        if deflections < 0 or window < 1 or sigma < 0:
            raise InputError(f"deflections {deflections} and sigma {sigma} are at least 0, window {window} at least 1")
        self.deflections = deflections
        self.window = window
        self.sigma = sigma

    def transform(self, images: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to the same shape."""
        return denoise(self.deflect(images), self.sigma)

    def deflect(self, images: Tensor) -> Tensor:
        """The random half: each image's pixels, some of them replaced by neighbours, all channels together."""
        n, channels, height, width = images.shape
        draw = self.randomness.integers
        rows = draw(0, height - 1, images, self.deflections)
        columns = draw(0, width - 1, images, self.deflections)
        near_rows = (rows + draw(-self.window, self.window, images, self.deflections)).clamp(0, height - 1)
        near_columns = (columns + draw(-self.window, self.window, images, self.deflections)).clamp(0, width - 1)
        source = torch.arange(height * width, device=images.device).repeat(n, 1)
        source.scatter_(1, rows * width + columns, near_rows * width + near_columns)
        flat = images.flatten(start_dim=2)
        return flat.gather(2, source[:, None].expand(-1, channels, -1)).view_as(images)
