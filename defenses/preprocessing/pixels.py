"""Runs a function that knows numpy images only on a batch of tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stormbench.defenses.base import straight_through


@torch.no_grad()
def on_pixels(images: Tensor, function: Callable[[NDArray[np.uint8]], NDArray[Any]]) -> Tensor:
    """Applies a function to each image, ``(H, W, 3)`` uint8 RGB, rounded to the nearest value.

    Args:
        images: ``(N, 3, H, W)`` in [0, 1].
        function: returns uint8 RGB, or floats in [0, 1], of any size that is the same for all images.

    Returns:
        ``(N, 3, H', W')`` in [0, 1], on the device of ``images``, without a gradient.
    """
    pixels = (images * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    outcomes = np.stack([np.asarray(function(image)) for image in pixels])
    scale = 255 if outcomes.dtype == np.uint8 else 1
    return (torch.from_numpy(outcomes).to(images) / scale).permute(0, 3, 1, 2).clamp(0, 1).contiguous()


def followable(images: Tensor, function: Callable[[NDArray[np.uint8]], NDArray[Any]]) -> Tensor:
    """As :func:`on_pixels`, for functions that keep the size; an attacker's gradient passes through unchanged."""
    return straight_through(on_pixels(images, function), images)
