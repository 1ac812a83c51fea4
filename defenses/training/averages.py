"""Averages of the weights over a training, by torch's ``AveragedModel``."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from stormbench.errors import InputError

Batches = Callable[[], Iterable[Tensor]]


class Average(Protocol):
    """What the loop asks of an average."""

    has_state: bool

    def after_step(self, model: nn.Module) -> None:
        """Takes in the weights of a step."""

    def after_epoch(self, model: nn.Module, share: float) -> None:
        """Takes in the weights of an epoch; ``share`` of the training is done."""

    def finish(self, model: nn.Module, batches: Batches) -> None:
        """Puts the average into the model; ``batches`` gives the training images."""

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """From the checkpoint."""


class NoAverage:
    """The weights of the last step, as they are."""

    has_state = False

    def after_step(self, model: nn.Module) -> None:
        """Does nothing."""

    def after_epoch(self, model: nn.Module, share: float) -> None:
        """Does nothing."""

    def finish(self, model: nn.Module, batches: Batches) -> None:
        """Does nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Does nothing."""


class ExponentialAverage(NoAverage):
    """An exponential moving average of weights and buffers after every step (Gowal 2020, arXiv 2010.03593).

    Args:
        model: of which; its copy holds the average.
        decay: share of the average that a step leaves, 0 to 1.

    Raises:
        InputError: the decay is out of range.
    """

    has_state = True

    def __init__(self, model: nn.Module, *, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise InputError(f"the decay of an average is in 0..1, below 1, not {decay:g}")
        self.averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)

    def after_step(self, model: nn.Module) -> None:
        """See ``Average``."""
        self.averaged.update_parameters(model)

    def finish(self, model: nn.Module, batches: Batches) -> None:  # noqa: ARG002
        """See ``Average``; statistics of batch norms are averaged as weights are."""
        if self.averaged.n_averaged:
            model.load_state_dict(self.averaged.module.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """See ``Average``."""
        return self.averaged.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """See ``Average``."""
        self.averaged.load_state_dict(state_dict)


class StochasticWeightAverage(ExponentialAverage):
    """The mean of the weights after each of the last epochs (SWA; Izmailov 2018, arXiv 1803.05407).

    Args:
        model: of which.
        start: share of the training, 0 to 1, after which epochs count.

    Raises:
        InputError: the share is out of range.
    """

    def __init__(self, model: nn.Module, *, start: float = 0.75) -> None:
        if not 0 <= start < 1:
            raise InputError(f"the average starts after a share of the training in 0..1, below 1, not {start:g}")
        self.start, self.averaged = start, AveragedModel(model)

    def after_step(self, model: nn.Module) -> None:
        """Does nothing."""

    def after_epoch(self, model: nn.Module, share: float) -> None:
        """See ``Average``."""
        if share > self.start:
            self.averaged.update_parameters(model)

    def finish(self, model: nn.Module, batches: Batches) -> None:
        """See ``Average``; the averaged weights get statistics of batch norms of their own."""
        super().finish(model, batches)
        torch.optim.swa_utils.update_bn(batches(), model)
