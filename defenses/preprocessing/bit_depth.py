"""Bit-depth reduction."""

from torch import Tensor, nn

from stormbench.defenses.base import Defense, straight_through
from stormbench.errors import InputError


class BitDepth(Defense):
    """Rounds every channel to ``2^bits`` values (feature squeezing; Xu et al. 2018, arXiv 1704.01155).

    ``round(x (2^bits - 1)) / (2^bits - 1)``; attackers get BPDA's identity.

    Args:
        model: see :class:`~stormbench.defenses.base.Defense`.
        bits: 1 to 8; Guo et al. 2018 (arXiv 1711.00117) use 3.

    Raises:
        InputError: so many bits there are not.
    """

    def __init__(self, model: nn.Module, *, bits: int = 3) -> None:
        super().__init__(model)
        if not 1 <= bits <= 8:
            raise InputError(f"bits is 1 to 8, not {bits}")
        self.levels = 2**bits - 1

    def transform(self, images: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to the same shape."""
        return straight_through((images * self.levels).round() / self.levels, images)
