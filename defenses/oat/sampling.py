"""Which lambda each image of a batch is trained with."""

from collections.abc import Sequence

import torch
from torch import Tensor

from stormbench.errors import InputError


def sample_lambdas(
    count: int, lambdas: Sequence[float], generator: torch.Generator, *, zero_share: float | None = None
) -> Tensor:
    """One lambda for each image: a fixed number of zeros, first, and the rest drawn evenly from the other lambdas.

    Args:
        count: images of the batch, B.
        lambdas: the set.
        generator: of the draws, on the CPU.
        zero_share: share of the images with lambda 0, rounded up; None takes ``1 / len(lambdas)``, as published.

    Returns:
        ``(B,)``; where 0 is not in the set, all are drawn, and where it is the whole set, all are 0.

    Raises:
        InputError: the share is not in 0..1.

    Example:
        >>> drawn = sample_lambdas(8, [0, 0.1, 0.2, 0.3, 0.4, 1], torch.Generator().manual_seed(0))
        >>> int((drawn == 0).sum()), int((drawn[:2] == 0).sum())
        (2, 2)
    """
    others = torch.tensor([value for value in lambdas if value > 0], dtype=torch.float64)
    zeros = _zeros(count, len(lambdas), has_zero=len(others) < len(lambdas), share=zero_share)
    if not len(others):
        return torch.zeros(count)
    drawn = others[torch.randint(len(others), (count - zeros,), generator=generator)]
    return torch.cat([torch.zeros(zeros), drawn.float()])


def _zeros(count: int, choices: int, *, has_zero: bool, share: float | None) -> int:
    if share is not None and not 0 <= share <= 1:
        raise InputError(f"the share of zeros is in 0..1, not {share:g}")
    if not has_zero:
        return 0
    return -(-count // choices) if share is None else min(count, -int(-count * share // 1))
