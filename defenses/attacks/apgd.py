"""Auto-PGD, which halves its own steps (Croce and Hein 2020, arXiv 2003.01690)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.expectation import Expected, expected_gradient, worst
from stormbench.defenses.attacks.losses import LOSSES, LossName
from stormbench.defenses.attacks.pgd import aims_of
from stormbench.errors import InputError

_MOMENTUM = 0.75  # alpha


_SUCCESSES = 0.75  # rho: the share of steps that must improve the loss for the step to keep its length


def checkpoints(steps: int) -> list[int]:
    """The steps at which lengths are reconsidered: ``p_{j+1} = p_j + max(p_j - p_{j-1} - 0.03, 0.06)`` of all steps.

    Example:
        >>> checkpoints(100)
        [22, 41, 57, 70, 80, 87, 93, 99]
    """
    before, share, found = 0.0, 0.22, []
    while share <= 1:
        found.append(int(share * steps + 1e-9))
        before, share = share, share + max(share - before - 0.03, 0.06)
    return found


@dataclass(frozen=True, kw_only=True)
class APGD:
    """Auto-PGD (Croce and Hein 2020, arXiv 2003.01690): APGD-CE, APGD-DLR, and their targeted forms.

    ``z = project(x_k + eta * steepest(grad))``, ``x_{k+1} = project(x_k + 0.75 (z - x_k) + 0.25 (x_k - x_{k-1}))``;
    ``eta`` starts at ``2 eps`` and is halved, image by image, where too few steps helped; then the image goes back to
    the best point so far.

    Attributes:
        loss: what is maximised: ``ce`` or ``dlr`` in the paper.
        steps: number of steps.
        restarts: how often it starts from another random point.
        targets: 0 for any mistake; else how many of the likeliest wrong classes are aimed at.
        draws: draws per gradient (20 in the authors' version for random models).
    """

    loss: LossName = "ce"
    steps: int = 100
    restarts: int = 1
    targets: int = 0
    draws: int = 1

    def __post_init__(self) -> None:
        if min(self.steps, self.restarts, self.draws) < 1 or self.targets < 0:
            raise InputError("steps, restarts and draws are at least 1, targets at least 0")

    @property
    def gradients(self) -> int:
        """Backward passes per image; the start needs one more than there are steps."""
        return (self.steps + 1) * self.draws * self.restarts * max(1, self.targets)

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, ball: Ball, generator: torch.Generator
    ) -> Tensor:
        """See ``Attack``."""
        candidates = []
        for aim in aims_of(model, images, labels, count=self.targets, draws=self.draws):
            for _ in range(self.restarts):
                climb = _Climb(self, model, images, labels, ball, aim)
                candidates += climb.run(ball.random(images, generator))
        return worst(model, candidates, labels, draws=self.draws)


class _Climb:
    """One run; all per-image state is a tensor ``(N,)``."""

    def __init__(
        self, attack: APGD, model: nn.Module, images: Tensor, labels: Tensor, ball: Ball, aim: Tensor | None
    ) -> None:
        self.attack, self.model, self.ball = attack, model, ball
        self.images, self.labels, self.aim = images, labels, aim
        self.length = torch.full((len(images),), 2 * ball.eps, device=images.device)
        self.successes = torch.zeros(len(images), device=images.device)
        self.halved_before = torch.ones(len(images), dtype=torch.bool, device=images.device)

    def run(self, start: Tensor) -> list[Tensor]:
        """The last point, the one with the highest loss and the one with the highest margin."""
        x, before = start, start
        here = self._look(x)
        self.best, self.highest, self.gradient_there = x, here.loss, here.gradient
        self.closest, self.margin = x, here.margin
        self.highest_at_check = here.loss
        last_check, checks = 0, set(checkpoints(self.attack.steps))
        for step in range(1, self.attack.steps + 1):
            x, before = self._move(x, before, here.gradient, first=step == 1), x
            previous, here = here.loss, self._look(x)
            self.successes += here.loss > previous
            self._remember(x, here)
            if step in checks:
                x, here = self._reconsider(x, here, step - last_check)
                last_check = step
        return [x, self.best, self.closest]

    def _look(self, x: Tensor) -> Expected:
        loss = LOSSES[self.attack.loss]
        return expected_gradient(self.model, x, self.labels, loss, draws=self.attack.draws, targets=self.aim)

    def _move(self, x: Tensor, before: Tensor, gradient: Tensor, *, first: bool) -> Tensor:
        ahead = x + self.length.view(-1, 1, 1, 1) * self.ball.steepest(gradient)
        ahead = self.ball.project(ahead, self.images)
        if first:
            return ahead
        return self.ball.project(x + _MOMENTUM * (ahead - x) + (1 - _MOMENTUM) * (x - before), self.images)

    def _remember(self, x: Tensor, here: Expected) -> None:
        better = here.loss > self.highest
        self.best = _where(better, x, self.best)
        self.gradient_there = _where(better, here.gradient, self.gradient_there)
        self.highest = self.highest.maximum(here.loss)
        self.closest = _where(here.margin > self.margin, x, self.closest)
        self.margin = self.margin.maximum(here.margin)

    def _reconsider(self, x: Tensor, here: Expected, steps: int) -> tuple[Tensor, Expected]:
        few = self.successes < _SUCCESSES * steps
        stuck = ~self.halved_before & (self.highest <= self.highest_at_check)
        halve = few | stuck
        self.length = torch.where(halve, self.length / 2, self.length)
        self.halved_before, self.highest_at_check = halve, self.highest.clone()
        self.successes.zero_()
        loss = torch.where(halve, self.highest, here.loss)
        gradient = _where(halve, self.gradient_there, here.gradient)
        return _where(halve, self.best, x), Expected(loss, here.margin, gradient)


def _where(mask: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(mask.view(-1, 1, 1, 1), yes, no)
