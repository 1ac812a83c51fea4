"""Projected gradient descent, and its single step."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.bpda import substituted
from stormbench.defenses.attacks.expectation import expected_gradient, worst
from stormbench.defenses.attacks.losses import LOSSES, LossName
from stormbench.errors import InputError


@dataclass(frozen=True, kw_only=True)
class FGSM:
    """The fast gradient sign method (Goodfellow et al. 2015, arXiv 1412.6572): ``x + eps * sign(grad loss(x))``.

    Attributes:
        loss: what is maximised.
        draws: draws per gradient.
    """

    loss: LossName = "ce"
    draws: int = 1

    @property
    def gradients(self) -> int:
        """Backward passes per image."""
        return self.draws

    def __call__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        ball: Ball,
        generator: torch.Generator,  # noqa: ARG002
    ) -> Tensor:
        """See ``Attack``."""
        found = expected_gradient(model, images, labels, LOSSES[self.loss], draws=self.draws)
        return ball.project(images + ball.eps * ball.steepest(found.gradient), images)


@dataclass(frozen=True, kw_only=True)
class PGD:
    """Projected gradient descent (Madry 2018, arXiv 1706.06083), with momentum (Dong 2018, arXiv 1710.06081).

    ``g <- momentum * g + grad / |grad|_1``, ``x <- project(x + step * eps * steepest(g))`` from a random start.

    Attributes:
        steps: number of steps.
        step: length of a step as a share of the radius.
        momentum: how much of the earlier direction is kept, 0 to 1.
        restarts: how often it starts from another random point.
        targets: 0 for any mistake; else how many of the likeliest wrong classes are aimed at, one after the other.
        loss: what is maximised.
        draws: draws per gradient.
        backward: ``own`` follows defenses as they are; ``identity`` passes gradients by them (BPDA).

    Raises:
        InputError: a setting is out of range.
    """

    steps: int = 40
    step: float = 0.1
    momentum: float = 0.0
    restarts: int = 1
    targets: int = 0
    loss: LossName = "ce"
    draws: int = 1
    backward: Literal["own", "identity"] = "own"

    def __post_init__(self) -> None:
        if min(self.steps, self.restarts, self.draws) < 1 or self.targets < 0:
            raise InputError("steps, restarts and draws are at least 1, targets at least 0")
        if not (self.step > 0 and 0 <= self.momentum <= 1):
            raise InputError(f"the step is positive and momentum in 0..1, not {self.step} and {self.momentum}")

    @property
    def gradients(self) -> int:
        """Backward passes per image."""
        return self.steps * self.draws * self.restarts * max(1, self.targets)

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, ball: Ball, generator: torch.Generator
    ) -> Tensor:
        """See ``Attack``."""
        aims = aims_of(model, images, labels, count=self.targets, draws=self.draws)
        with substituted(model) if self.backward == "identity" else nullcontext():
            candidates = [
                candidate
                for aim in aims
                for _ in range(self.restarts)
                for candidate in self._one_run(model, images, labels, ball, ball.random(images, generator), aim)
            ]
        return worst(model, candidates, labels, draws=self.draws)

    def _one_run(
        self, model: nn.Module, images: Tensor, labels: Tensor, ball: Ball, start: Tensor, aim: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The last point, and the one with the highest margin on the way."""
        x, best = start, start
        highest = torch.full((len(images),), -torch.inf, device=images.device)
        direction = torch.zeros_like(images)
        for _ in range(self.steps):
            here = expected_gradient(model, x, labels, LOSSES[self.loss], draws=self.draws, targets=aim)
            better = here.margin > highest
            best, highest = torch.where(better.view(-1, 1, 1, 1), x, best), highest.maximum(here.margin)
            direction = self.momentum * direction + normalised(here.gradient)
            x = ball.project(x + self.step * ball.eps * ball.steepest(direction), images)
        return x, best


def normalised(gradient: Tensor) -> Tensor:
    """Each image's gradient by its mean absolute value, so that momentum weighs all steps alike."""
    return gradient / gradient.abs().mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)


@torch.no_grad()
def aims_of(model: nn.Module, images: Tensor, labels: Tensor, *, count: int, draws: int) -> Iterator[Tensor | None]:
    """The wrong classes to aim at, likeliest first, each ``(N,)``; a single None for an attack towards any.

    Raises:
        InputError: the model has not so many wrong classes.
    """
    if not count:
        yield None
        return
    likelihood = torch.stack([model(images).log_softmax(dim=1) for _ in range(draws)]).mean(dim=0)
    if count >= likelihood.shape[1]:
        raise InputError(f"there are {likelihood.shape[1] - 1} wrong classes to aim at, not {count}")
    likelihood.scatter_(1, labels[:, None], -torch.inf)
    yield from likelihood.topk(count, dim=1).indices.T
