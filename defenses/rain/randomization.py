"""RAIN's two random steps (Du et al. 2020, arXiv 2004.14798), with the settings of the authors' published code."""

import torch
from torch import Tensor

from stormbench.defenses.base import Randomness

RATIO = 2  # the published code knows no other


def random_downsampling(images: Tensor, randomness: Randomness) -> Tensor:
    """RdmDU: keeps one uniformly chosen pixel of each 2x2 cell, chosen anew for every cell and every channel.

    Nothing is averaged, so edges alias and colours fringe; that is what the enhancer has to mend.

    Args:
        images: ``(N, C, H, W)`` with even sides.
        randomness: where the choices come from.

    Returns:
        ``(N, C, H/2, W/2)``; gradients flow to the chosen pixels.
    """
    n, channels, height, width = images.shape
    cells = images.reshape(n, channels, height // RATIO, RATIO, width // RATIO, RATIO)
    cells = cells.permute(0, 1, 2, 4, 3, 5).flatten(start_dim=4)  # (N, C, H/2, W/2, 4)
    chosen = randomness.integers(0, RATIO * RATIO - 1, images, *cells.shape[1:4], 1)
    return cells.gather(dim=4, index=chosen).squeeze(4)


def random_shift(images: Tensor, share: float, randomness: Randomness, *, per_batch: bool = False) -> Tensor:
    """RdmSCS: a circular shift by uniform integers of up to ``share`` of each side; it is not undone later.

    Args:
        images: ``(N, C, H, W)``.
        share: the largest shift as a share of the side, 0 to 1; see :func:`largest_shift`.
        randomness: where the vertical and the horizontal shift come from.
        per_batch: one shift for all images, as in the published code.
    """
    for axis in (2, 3):
        side = images.shape[axis]
        reach = largest_shift(side, share)
        if reach:
            images = _roll_each(images, randomness.integers(-reach, reach, images, 1, shared=per_batch), axis)
    return images


def largest_shift(side: int, share: float) -> int:
    """How far a side of so many pixels is shifted: ``floor(share * side)``, but at least 1 unless ``share`` is 0.

    The published rule alone would switch the shift off below 20 pixels, which includes CIFAR-10's 16 after halving.

    Example:
        >>> largest_shift(112, 0.05), largest_shift(16, 0.05), largest_shift(16, 0.0)
        (5, 1, 0)
    """
    return max(1, int(share * side)) if share else 0


def _roll_each(images: Tensor, shifts: Tensor, axis: int) -> Tensor:
    """``torch.roll`` with a shift of its own, ``(N, 1)``, for each image."""
    side = images.shape[axis]
    source = (torch.arange(side, device=images.device) - shifts) % side  # (N, side)
    source = source[:, None, :, None] if axis == 2 else source[:, None, None, :]
    return images.gather(axis, source.expand_as(images))
