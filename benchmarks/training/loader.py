"""Batches of a data set's pictures, for training."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stormbench.datasets import Geometry, ImageSet
from stormbench.errors import InputError

# Decoded pictures that are kept in memory between epochs: about 150 MB at 32x32, 6 GB at 224x224.
_KEPT_PICTURES = 50_000


def loader(
    images: ImageSet, labels: NDArray[np.int64], geometry: Geometry | None, device: str
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """A function from indices ``(B,)`` to images ``(B, 3, H, W)`` in [0, 1] and labels ``(B,)``; it remembers pictures.

    It raises an ``InputError`` where pictures have several sizes.
    """

    @lru_cache(maxsize=_KEPT_PICTURES)
    def picture(index: int) -> Tensor:
        decoded = images.read(index)
        pixels = np.array(decoded) if geometry is None else geometry(decoded)
        return torch.from_numpy(pixels).permute(2, 0, 1)

    def load(indices: Tensor) -> tuple[Tensor, Tensor]:
        batch = [picture(index) for index in indices.tolist()]
        if len({each.shape for each in batch}) > 1:
            raise InputError(f"the images of {images.name} come in several sizes; give --resize and --crop")
        return torch.stack(batch).to(device).float() / 255, torch.from_numpy(labels[indices.numpy()]).to(device)

    return load
