"""JPEG compression."""

import io

import numpy as np
from PIL import Image
from torch import Tensor, nn

from stormbench.cells import Pixels
from stormbench.defenses.base import Defense
from stormbench.defenses.preprocessing.pixels import followable
from stormbench.errors import InputError


class JPEG(Defense):
    """Saves as JPEG and reads again (Das et al. 2017, arXiv 1705.02900; Guo et al. 2018, arXiv 1711.00117).

    Pillow's encoder with 4:2:0 chroma. Rounding has no gradient, so attackers get BPDA's identity.

    Args:
        model: see :class:`~stormbench.defenses.base.Defense`.
        quality: 1 to 95; Guo uses 75.

    Raises:
        InputError: the quality is out of range.
    """

    def __init__(self, model: nn.Module, *, quality: int = 75) -> None:
        super().__init__(model)
        if not 1 <= quality <= 95:
            raise InputError(f"JPEG's quality is 1 to 95, not {quality}")
        self.quality = quality

    def transform(self, images: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to the same shape."""
        return followable(images, self._round_trip)

    def _round_trip(self, pixels: Pixels) -> Pixels:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="JPEG", quality=self.quality)
        return np.asarray(Image.open(buffer))
