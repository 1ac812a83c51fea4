"""Contrast-limited adaptive histogram equalisation."""

import cv2
import numpy as np
from torch import Tensor, nn

from stormbench.cells import Pixels
from stormbench.defenses.base import Defense
from stormbench.defenses.preprocessing.pixels import followable
from stormbench.errors import InputError

_SMALL = 64  # up to this side, tiles of an eighth would hold too few pixels for a histogram


class CLAHE(Defense):
    """CLAHE on the lightness, the enhancement of the ImageNet-C paper (Hendrycks 2019, arXiv 1903.12261, section 5).

    The paper does not give the parameters; these are common ones, on the L channel of CIE Lab, by OpenCV. The paper's
    gain is for a network that was fine-tuned on such pictures. Attackers get BPDA's identity.

    Args:
        model: see :class:`~stormbench.defenses.base.Defense`.
        clip: clip limit of the histograms.
        tiles: tiles along each side; 0 takes 8, and 4 for sides up to 64 pixels.

    Raises:
        InputError: the clip limit is not positive, or tiles are negative.
    """

    def __init__(self, model: nn.Module, *, clip: float = 2.0, tiles: int = 0) -> None:
        super().__init__(model)
        if clip <= 0 or tiles < 0:
            raise InputError(f"the clip limit is positive and tiles at least 0, not {clip} and {tiles}")
        self.clip = clip
        self.tiles = tiles

    def transform(self, images: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to the same shape."""
        return followable(images, self._equalise)

    def _equalise(self, pixels: Pixels) -> Pixels:
        tiles = self.tiles or (4 if min(pixels.shape[:2]) <= _SMALL else 8)
        lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
        lab[..., 0] = cv2.createCLAHE(clipLimit=self.clip, tileGridSize=(tiles, tiles)).apply(lab[..., 0])
        return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), dtype=np.uint8)
