"""Projected gradient descent, and its single step."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball, magnitude
from stormbench.defenses.attacks.bpda import substituted
from stormbench.defenses.attacks.expectation import Expected, expected_gradient, expected_margin, finite_logits, repeats
from stormbench.defenses.attacks.losses import LOSSES, LossName
from stormbench.defenses.attacks.parts.active import Best, Candidate, State, staying, strongest
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
        stop: images that a deterministic model gets wrong leave the attack; false makes stronger images, to be carried
            over to another model.

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
    stop: bool = True

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
        leave = self.stop and repeats(model, images)
        with substituted(model) if self.backward == "identity" else nullcontext():
            aims = aims_of(model, images, labels, count=self.targets, draws=self.draws)
            climb = _Climb(self, model, images, labels, ball, generator, leave=leave)
            runs = (partial(climb.run, aim) for aim in aims for _ in range(self.restarts))
            return strongest(model, images, labels, runs, draws=self.draws, leave=leave)


@dataclass
class _State(State):
    images: Tensor
    labels: Tensor
    aim: Tensor | None
    x: Tensor
    direction: Tensor


@dataclass
class _Climb:
    """The runs of one call: the attack's settings, what it attacks, and whether broken images leave."""

    attack: PGD
    model: nn.Module
    images: Tensor
    labels: Tensor
    ball: Ball
    generator: torch.Generator
    leave: bool

    def run(self, aim: Tensor | None, index: Tensor) -> list[Candidate]:
        """From a random start: the point of highest margin, and the last point."""
        images = self.images[index]
        start = self.ball.random(images, self.generator)
        aim = aim if aim is None else aim[index]
        state = _State(images, self.labels[index], aim, start, torch.zeros_like(images))
        best = Best.of(start, torch.full((len(images),), -torch.inf, device=images.device))
        at = torch.arange(len(images), device=images.device)
        for _ in range(self.attack.steps):
            here = self._look(state)
            best.update(at, Candidate(state.x, here.margin))
            self._step(state, here.gradient)
            if self.leave and (stay := staying(here.margin)) is not None:
                at, state = at[stay], state.take(stay)
                if not len(at):
                    return [Candidate(best.images, best.margin)]
        return self._with_the_last(state, at, best)

    def _look(self, state: _State) -> Expected:
        loss, draws = LOSSES[self.attack.loss], self.attack.draws
        return expected_gradient(self.model, state.x, state.labels, loss, draws=draws, targets=state.aim)

    def _step(self, state: _State, gradient: Tensor) -> None:
        state.direction = self.attack.momentum * state.direction + normalised(gradient)
        ahead = state.x + self.attack.step * self.ball.eps * self.ball.steepest(state.direction)
        state.x = self.ball.project(ahead, state.images)

    def _with_the_last(self, state: _State, at: Tensor, best: Best) -> list[Candidate]:
        """The last point was not looked at yet; where images stay, all candidates are compared later."""
        if not self.leave:
            return [Candidate(state.x, best.margin), Candidate(best.images, best.margin)]
        margin = expected_margin(self.model, state.x, state.labels, draws=self.attack.draws)
        best.update(at, Candidate(state.x, margin))
        return [Candidate(best.images, best.margin)]


def normalised(gradient: Tensor) -> Tensor:
    """Each image's gradient by its mean absolute value, so that momentum weighs all steps alike."""
    gradient = gradient / magnitude(gradient.flatten(1)).view(-1, 1, 1, 1)
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
    likelihood = torch.stack([finite_logits(model, images).log_softmax(dim=1) for _ in range(draws)]).mean(dim=0)
    if count >= likelihood.shape[1]:
        raise InputError(f"there are {likelihood.shape[1] - 1} wrong classes to aim at, not {count}")
    likelihood.scatter_(1, labels[:, None], -torch.inf)
    yield from likelihood.topk(count, dim=1).indices.T
