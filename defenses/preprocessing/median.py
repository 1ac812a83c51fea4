"""Median filter."""

from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.base import Defense
from stormbench.errors import InputError


class Median(Defense):
    """The median of a square window around every pixel, by channel (Xu et al. 2018, arXiv 1704.01155).

    The gradient goes to the pixel that is the median. A window of even side reaches further up and to the left, and its
    median is the upper of the two middle values, as in ``scipy.ndimage.median_filter``; beyond the border the image is
    mirrored about its outermost pixels (scipy's ``mode="mirror"``, not its default).

    Args:
        model: see :class:`~stormbench.defenses.base.Defense`.
        size: side of the window, 2 to 9; Xu finds 2 best on photos.

    Raises:
        InputError: the window is too small or too large.
    """

    def __init__(self, model: nn.Module, *, size: int = 2) -> None:
        super().__init__(model)
        if not 2 <= size <= 9:
            raise InputError(f"the side of the window is 2 to 9, not {size}")
        self.size = size

    def transform(self, images: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to the same shape."""
        before, after = self.size // 2, (self.size - 1) // 2
        padded = functional.pad(images, (before, after, before, after), mode="reflect")
        windows = padded.unfold(2, self.size, 1).unfold(3, self.size, 1).flatten(start_dim=4)
        return windows.kthvalue(self.size**2 // 2 + 1, dim=4).values
