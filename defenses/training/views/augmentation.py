"""Random crops and mirror images, drawn for a whole batch at once."""

import torch
from torch import Tensor
from torch.nn import functional


def augmented(images: Tensor, generator: torch.Generator, *, padding: int = 4, mirror: bool = True) -> Tensor:
    """Each image moved by up to ``padding`` pixels, with zeros where nothing was, and mirrored half of the time.

    Args:
        images: ``(N, 3, H, W)``.
        generator: of the draws, on the CPU.
        padding: largest shift in pixels.
        mirror: whether images are mirrored; the draws are the same either way.
    """
    count, _, height, width = images.shape
    offsets = torch.randint(2 * padding + 1, (2, count, 1), generator=generator)
    mirrored = (torch.rand(count, 1, generator=generator) < 0.5) & mirror
    rows = offsets[0] + torch.arange(height)
    columns = offsets[1] + torch.where(mirrored, torch.arange(width).flip(0), torch.arange(width))
    padded = functional.pad(images, (padding,) * 4)
    each, rows, columns = torch.arange(count).view(-1, 1, 1), rows[:, :, None], columns[:, None, :]
    taken = padded.permute(0, 2, 3, 1)[each.to(images.device), rows.to(images.device), columns.to(images.device)]
    return taken.permute(0, 3, 1, 2).contiguous()
