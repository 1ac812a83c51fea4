"""What an attacker maximises, one number for each image.

All take logits ``(N, K)``, labels ``(N,)`` and, for an attack towards given classes, targets ``(N,)``.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from stormbench.errors import InputError

LossName = Literal["ce", "margin", "linear", "dlr"]


Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]


_TINY = 1e-12


def cross_entropy(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """``-log p_y``; towards a target ``log p_t``.

    As ``softplus(log sum_{j != y} exp z_j - z_y)``, whose gradient keeps its digits where ``p_y`` rounds to 1.
    """
    return _surprise(logits, labels) if targets is None else -_surprise(logits, targets)


def _surprise(logits: Tensor, classes: Tensor) -> Tensor:
    others = logits.scatter(1, classes[:, None], -torch.inf)
    return functional.softplus(others.logsumexp(dim=1) - _at(logits, classes))


def margin(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """``max_{j != y} z_j - z_y``, positive where the model is wrong (Carlini and Wagner 2017, arXiv 1608.04644).

    Towards a target ``z_t - max_{j != t} z_j``.
    """
    if targets is None:
        return _best_other(logits, labels) - _at(logits, labels)
    return _at(logits, targets) - _best_other(logits, targets)


def linear(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """``-z_y``, whose gradient does not vanish where a draw is sure of itself. Towards a target ``z_t``."""
    return -_at(logits, labels) if targets is None else _at(logits, targets)


def difference_of_logits_ratio(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """DLR (Croce and Hein 2020, arXiv 2003.01690), which no rescaling of the logits changes.

    ``-(z_y - max_{j != y} z_j) / (z_1st - z_3rd)``; towards a target
    ``-(z_y - z_t) / (z_1st - (z_3rd + z_4th) / 2)``.

    Raises:
        InputError: there are fewer than 3 classes, or fewer than 4 with a target.
    """
    if logits.shape[1] < (3 if targets is None else 4):
        raise InputError(f"the DLR loss needs 3 classes, 4 with a target; the model has {logits.shape[1]}")
    ranked = logits.sort(dim=1, descending=True).values
    if targets is None:
        return margin(logits, labels) / (ranked[:, 0] - ranked[:, 2] + _TINY)
    spread = ranked[:, 0] - (ranked[:, 2] + ranked[:, 3]) / 2
    return (_at(logits, targets) - _at(logits, labels)) / (spread + _TINY)


LOSSES: dict[LossName, Loss] = {
    "ce": cross_entropy,
    "margin": margin,
    "linear": linear,
    "dlr": difference_of_logits_ratio,
}


def _at(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.gather(1, classes[:, None]).squeeze(1)


def _best_other(logits: Tensor, classes: Tensor) -> Tensor:
    here = functional.one_hot(classes, logits.shape[1]).bool()
    return torch.where(here, -torch.inf, logits).amax(dim=1)
