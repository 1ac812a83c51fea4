"""torch's optimisers under the names and settings that recipes use, and learning rates over a training."""

from collections.abc import Iterable
from math import cos, pi
from typing import Protocol

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer, RMSprop

from stormbench.errors import InputError

Parameters = Iterable[nn.Parameter]


def sgd(
    parameters: Parameters,
    *,
    rate: float = 0.1,
    momentum: float = 0.9,
    nesterov: bool = False,
    decay: float = 5e-4,
) -> Optimizer:
    """Stochastic gradient descent with momentum."""
    _check(rate, decay)
    return SGD(parameters, lr=rate, momentum=momentum, nesterov=nesterov, weight_decay=decay)


def adamw(parameters: Parameters, *, rate: float = 1e-3, decay: float = 1e-2) -> Optimizer:
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101)."""
    _check(rate, decay)
    return AdamW(parameters, lr=rate, weight_decay=decay)


def rmsprop(
    parameters: Parameters,
    *,
    rate: float = 0.045,
    alpha: float = 0.9,
    momentum: float = 0.9,
    eps: float = 1.0,
    decay: float = 0.0,
) -> Optimizer:
    """RMSProp, with the defaults of adversarial logit pairing's code."""
    _check(rate, decay)
    return RMSprop(parameters, lr=rate, alpha=alpha, momentum=momentum, eps=eps, weight_decay=decay)


def _check(rate: float, decay: float) -> None:
    if rate <= 0 or decay < 0:
        raise InputError(f"the learning rate is positive and weight decay not negative, not {rate:g} and {decay:g}")


class Schedule(Protocol):
    """Learning rate as a share of the optimiser's own."""

    def __call__(self, share: float) -> float:
        """The factor when this share (0..1) of the training is done."""


class Cosine:
    """Falls from 1 to 0 along half a cosine (Loshchilov and Hutter 2017, arXiv 1608.03983)."""

    def __call__(self, share: float) -> float:
        """See ``Schedule``."""
        return (1 + cos(pi * share)) / 2


class Triangle:
    """Rises from 0 to 1 and falls back to 0, in straight lines (Smith 2017, arXiv 1506.01186).

    Args:
        peak: share of the training at which it is 1.

    Raises:
        InputError: the peak is not inside.
    """

    def __init__(self, *, peak: float = 0.5) -> None:
        if not 0 < peak < 1:
            raise InputError(f"the peak lies between 0 and 1, not at {peak:g}")
        self.peak = peak

    def __call__(self, share: float) -> float:
        """See ``Schedule``."""
        return share / self.peak if share <= self.peak else (1 - share) / (1 - self.peak)


class Steps:
    """Falls by a factor at given shares of the training.

    Args:
        at: shares in 0..1 with plus signs between: ``0.75+0.9``.
        factor: what is left at each.

    Raises:
        InputError: a share cannot be read or is out of range.
    """

    def __init__(self, *, at: str = "0.5+0.75", factor: float = 0.1) -> None:
        self.at, self.factor = shares(at), factor

    def __call__(self, share: float) -> float:
        """See ``Schedule``."""
        return self.factor ** sum(share >= each for each in self.at)


class Constant:
    """Stays at 1."""

    def __call__(self, share: float) -> float:  # noqa: ARG002
        """See ``Schedule``."""
        return 1.0


def shares(text: str) -> tuple[float, ...]:
    """Reads ascending shares of a training.

    Raises:
        InputError: one cannot be read or is out of range.

    Example:
        >>> shares("0.75+0.9")
        (0.75, 0.9)
    """
    try:
        found = tuple(float(part) for part in text.split("+"))
    except ValueError:
        raise InputError(f"{text!r} is no list of shares such as 0.75+0.9") from None
    if list(found) != sorted(found) or not all(0 <= each <= 1 for each in found):
        raise InputError(f"shares of a training ascend from 0 to 1, not {text!r}")
    return found


def device_of(model: nn.Module) -> torch.device:
    """Where a model's weights are."""
    return next(model.parameters()).device
