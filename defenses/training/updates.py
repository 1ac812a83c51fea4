"""Adversarial weight perturbation: the loss is minimised where the weights are worst (Wu 2020, arXiv 2004.05884)."""

from collections.abc import Callable

import torch
from torch import Tensor, distributed, nn

from stormbench.errors import InputError

_TINY = 1e-20


class WeightPerturbation:
    """Moves every weight matrix up the loss by ``gamma`` times its own length, for the time of one step.

    The source takes the gradient on a copy of the model; here it is taken on the model itself and the statistics of
    batch norms are put back, which gives the same direction. The optimiser's momentum and decay act on the moved
    weights, as in the source.

    Args:
        gamma: length of the move as a share of each weight's own length.
        warmup: share of the training, 0 to 1, before it begins.

    Raises:
        InputError: gamma is not positive, or the share out of range.
    """

    def __init__(self, *, gamma: float = 0.01, warmup: float = 0.0) -> None:
        if gamma <= 0 or not 0 <= warmup < 1:
            raise InputError(f"gamma is positive and warmup in 0..1, not {gamma:g} and {warmup:g}")
        self.gamma, self.warmup = gamma, warmup
        self._moves: list[tuple[nn.Parameter, Tensor]] = []

    def ascend(self, model: nn.Module, loss_of: Callable[[], Tensor], share: float) -> None:
        """Moves the weights of a model in training mode.

        Args:
            model: whose parameters named ``weight`` with more than one dimension are moved.
            loss_of: the loss, with gradients to the weights.
            share: how much of the training is done.
        """
        if share < self.warmup:
            return
        buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
        weights = [each for name, each in model.named_parameters() if "weight" in name and each.ndim > 1]
        with torch.enable_grad():
            gradients = torch.autograd.grad(loss_of(), weights, allow_unused=True)
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
            for weight, gradient in zip(weights, gradients, strict=True):
                if gradient is not None:
                    self._move(weight, gradient)
        torch.clear_autocast_cache()  # it would go on with 16-bit copies of the old weights

    def _move(self, weight: nn.Parameter, gradient: Tensor) -> None:
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(gradient)  # all processes make the same move, or their weights would part
        move = self.gamma * weight.norm() / (gradient.norm() + _TINY) * gradient
        weight.add_(move)
        self._moves.append((weight, move))

    @torch.no_grad()
    def undo(self) -> None:
        """Takes the last move back, after the optimiser's step."""
        for weight, move in self._moves:
            weight.sub_(move)
        self._moves.clear()
