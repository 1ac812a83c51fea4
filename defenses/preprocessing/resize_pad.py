"""Random resizing and padding."""

from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.base import RandomDefense, Voting
from stormbench.errors import InputError


class ResizePad(RandomDefense):
    """Enlarges at random, then pads with black at random (Xie et al. 2018, arXiv 1711.01991).

    The published code brings 299x299 to a random side from 310 up to 331, then puts it somewhere on 331x331; other
    sizes are enlarged in the same ratio. The model gets the padded size, unless it resizes by itself. Interpolation is
    bilinear.

    Args:
        model: see :class:`~stormbench.defenses.base.Defense`.
        least: smallest enlargement of the side.
        most: largest enlargement, and that of the canvas.
        voting: see :class:`~stormbench.defenses.base.RandomDefense`.

    Raises:
        InputError: the enlargements do not satisfy ``1 <= least <= most``.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        least: float = 310 / 299,
        most: float = 331 / 299,
        **voting: Unpack[Voting],
    ) -> None:
        super().__init__(model, **voting)
        if not 1 <= least <= most:
            raise InputError(f"1 <= least <= most is wanted, not {least:g} and {most:g}")
        self.least = least
        self.most = most

    def transform(self, images: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to ``(N, 3, round(most * H), round(most * W))``."""
        height, width = (round(self.most * side) for side in images.shape[2:])
        shares = self.randomness.uniform(images, 3).tolist()
        return torch.stack([self._place(*pair, height, width) for pair in zip(images, shares, strict=True)])

    def _place(self, image: Tensor, shares: list[float], height: int, width: int) -> Tensor:
        """One image, enlarged and placed by three numbers in [0, 1)."""
        size, top, left = shares
        factor = self.least + size * (self.most - self.least)
        h, w = (min(round(factor * side), most) for side, most in zip(image.shape[1:], (height, width), strict=True))
        enlarged = functional.interpolate(image[None], (h, w), mode="bilinear", align_corners=False)[0]
        above, before = int(top * (height - h + 1)), int(left * (width - w + 1))
        return functional.pad(enlarged, (before, width - w - before, above, height - h - above))
