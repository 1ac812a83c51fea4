"""Inner maximisation: from a batch to the images that a step of adversarial training uses."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.attacks.losses import cross_entropy, margin
from stormbench.defenses.training.batch import Batch
from stormbench.defenses.training.contracts import Differentiable, Space
from stormbench.errors import InputError

StartName = Literal["uniform", "normal", "zero", "edge"]
AscentLoss = Literal["ce", "kl", "margin"]
Target = Literal["none", "predicted", "least-likely"]
Mode = Literal["eval", "train"]
LossOf = Callable[[Tensor], Tensor]


def ascend(
    logits_of: Callable[[Tensor], Tensor],
    space: Space,
    batch: Batch,
    v: Tensor,
    loss_of: LossOf,
    *,
    steps: int,
    size: float,
) -> Tensor:
    """Gradient ascent in a space; the weights get no gradients.

    Args:
        logits_of: the model, from images ``(B, 3, H, W)`` to logits ``(B, K)``.
        space: in which to stay.
        batch: around which.
        v: variables to start from.
        loss_of: what is maximised, from logits to ``(B,)``.
        steps: how many.
        size: of a step.

    Returns:
        The last variables, whatever became of the loss.

    Raises:
        InputError: the space has no gradients.
    """
    if not isinstance(space, Differentiable):
        raise InputError(f'{space} can be drawn from, not ascended; use inner = "draw"')
    for _ in range(steps):
        v = v.detach().requires_grad_()
        with torch.enable_grad():
            loss = loss_of(logits_of(space.apply(batch, v))).sum()
        (gradient,) = torch.autograd.grad(loss, v)
        v = space.step(v.detach(), gradient, size, batch)
    return v


@contextmanager
def in_mode(model: nn.Module, mode: Mode) -> Iterator[None]:
    """The model in this mode; afterwards each of its modules is in its own again."""
    before = [(module, module.training) for module in model.modules()]
    model.train(mode == "train")
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


@torch.no_grad()
def loss_for(name: AscentLoss, target: Target, model: nn.Module, batch: Batch) -> LossOf:
    """The loss that an attack on this batch maximises; what it needs of the clean images is computed once.

    ``kl`` is the divergence from the clean prediction (TRADES). Towards the ``least-likely`` class of the clean image
    the cross-entropy falls; away from the ``predicted`` class it rises, so that no label leaks (arXiv 1803.06373).
    """
    if name == "kl":
        clean = model(batch.images).float().softmax(dim=1)
        return lambda logits: kl(clean, logits)
    if target == "none":
        chosen = cross_entropy if name == "ce" else margin
        return lambda logits: chosen(logits, batch.labels)
    logits = model(batch.images)
    if target == "predicted":
        predicted = logits.argmax(dim=1)
        return lambda logits: cross_entropy(logits, predicted)
    least = logits.argmin(dim=1)
    return lambda logits: cross_entropy(logits, batch.labels, least)


def kl(reference: Tensor, logits: Tensor) -> Tensor:
    """``KL(reference || softmax(logits))`` of each row, ``(B,)``; ``reference`` are probabilities ``(B, K)``."""
    return functional.kl_div(logits.float().log_softmax(dim=1), reference, reduction="none").sum(dim=1)


@dataclass(frozen=True, kw_only=True)
class NoInner:
    """No images are moved."""

    passes = 0.0


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One random draw from the space, without the model."""

    passes = 0.0

    def __call__(self, model: nn.Module, space: Space, batch: Batch, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """See ``Inner``."""
        return space.apply(batch, space.start(batch, generator, "uniform")).detach()


@dataclass(frozen=True, kw_only=True)
class PGD:
    """Projected gradient descent as networks are trained with it (Madry 2018, arXiv 1706.06083): the last point.

    Attributes:
        steps: number of steps.
        step: length of a step, for pixels in [0, 1].
        start: where it starts.
        loss: what is maximised: ``ce``, ``kl`` to the clean prediction, ``margin``.
        target: class towards or away from which ``ce`` goes.
        mode: of the model meanwhile; in ``train`` its batch statistics move with every step.

    Raises:
        InputError: a setting is out of range, or two do not go together.
    """

    steps: int = 10
    step: float = 2 / 255
    start: StartName = "uniform"
    loss: AscentLoss = "ce"
    target: Target = "none"
    mode: Mode = "eval"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.step <= 0:
            raise InputError(f"an attack has at least 1 step of positive length, not {self.steps} of {self.step:g}")
        if self.target != "none" and self.loss != "ce":
            raise InputError(f"a target goes with loss=ce, not with loss={self.loss}")

    @property
    def passes(self) -> float:
        """Passes per image: one a step; the clean prediction, where it is needed, is a third of one."""
        return self.steps + (1 / 3 if self.loss == "kl" or self.target != "none" else 0)

    def __call__(self, model: nn.Module, space: Space, batch: Batch, generator: torch.Generator) -> Tensor:
        """See ``Inner``."""
        v = space.start(batch, generator, self.start)
        with in_mode(model, self.mode):
            loss_of = loss_for(self.loss, self.target, model, batch)
            v = ascend(model, space, batch, v, loss_of, steps=self.steps, size=self.step)
        return space.apply(batch, v).detach()
