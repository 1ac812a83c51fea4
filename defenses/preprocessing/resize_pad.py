"""Random resizing and padding."""

from typing import Literal, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.base import RandomDefense, Voting
from stormbench.errors import InputError


class ResizePad(RandomDefense):
    """Enlarges at random, then pads with grey at random (Xie et al. 2018, arXiv 1711.01991).

    As in the published code 299x299 is brought to a random side from 310 to 330 by nearest neighbours, then put
    somewhere on 331x331; padding is 0 for pixels in [-1, 1], which is mid-grey. Other sizes are enlarged in the same
    ratio, to at most one pixel less than the canvas. The model gets the padded size, unless it resizes by itself.

    Args:
        model: see :class:`~stormbench.defenses.base.Defense`.
        least: smallest enlargement of the side.
        most: enlargement of the canvas.
        interpolation: of the enlargement.
        fill: value of the padding, in [0, 1].
        voting: see :class:`~stormbench.defenses.base.RandomDefense`.

    Raises:
        InputError: the enlargements do not satisfy ``1 <= least <= most``, or the padding is outside [0, 1].
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        least: float = 310 / 299,
        most: float = 331 / 299,
        interpolation: Literal["nearest", "bilinear"] = "nearest",
        fill: float = 0.5,
        **voting: Unpack[Voting],
    ) -> None:
        super().__init__(model, **voting)
        if not 1 <= least <= most or not 0 <= fill <= 1:
            raise InputError(f"1 <= least {least:g} <= most {most:g} and fill {fill:g} in 0..1 are wanted")
        self.least = least
        self.most = most
        self.interpolation = interpolation
        self.fill = fill

    def transform(self, images: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to ``(N, 3, round(most * H), round(most * W))``."""
        height, width = (round(self.most * side) for side in images.shape[2:])
        shares = self.randomness.uniform(images, 3).tolist()
        return torch.stack([self._place(*pair, height, width) for pair in zip(images, shares, strict=True)])

    def _place(self, image: Tensor, shares: list[float], height: int, width: int) -> Tensor:
        """One image, enlarged and placed by three numbers in [0, 1)."""
        size, top, left = shares
        h, w = (self._side(size, *pair) for pair in zip(image.shape[1:], (height, width), strict=True))
        enlarged = functional.interpolate(image[None], (h, w), mode=self.interpolation)[0]
        above, before = int(top * (height - h + 1)), int(left * (width - w + 1))
        return functional.pad(enlarged, (before, width - w - before, above, height - h - above), value=self.fill)

    def _side(self, share: float, side: int, canvas: int) -> int:
        """A uniform side from the least to one less than the canvas, as ``share`` in [0, 1) says."""
        least = min(round(self.least * side), canvas)
        return least + int(share * max(canvas - least, 1))
