"""Auto-PGD, which halves its own steps (Croce and Hein 2020, arXiv 2003.01690)."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.expectation import Expected, expected_gradient, repeats
from stormbench.defenses.attacks.losses import LOSSES, LossName
from stormbench.defenses.attacks.parts.active import Best, Candidate, State, staying, strongest
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
        stop: images that a deterministic model gets wrong leave the attack; false makes stronger images, to be carried
            over to another model.

    Raises:
        InputError: a setting is out of range.
    """

    loss: LossName = "ce"
    steps: int = 100
    restarts: int = 1
    targets: int = 0
    draws: int = 1
    stop: bool = True

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
        leave = self.stop and repeats(model, images)
        aims = aims_of(model, images, labels, count=self.targets, draws=self.draws)
        climb = _Climb(self, model, images, labels, ball, generator, leave=leave)
        runs = (partial(climb.run, aim) for aim in aims for _ in range(self.restarts))
        return strongest(model, images, labels, runs, draws=self.draws, leave=leave)


@dataclass
class _State(State):
    """Where each image stands; ``loss`` and ``gradient`` are those at ``x``, ``successes`` counts since a check."""

    images: Tensor
    labels: Tensor
    aim: Tensor | None
    x: Tensor
    before: Tensor
    loss: Tensor
    gradient: Tensor
    best: Tensor
    highest: Tensor
    gradient_there: Tensor
    highest_at_check: Tensor
    length: Tensor
    successes: Tensor
    halved_before: Tensor


@dataclass
class _Climb:
    """The runs of one call: the attack's settings, what it attacks, and whether broken images leave."""

    attack: APGD
    model: nn.Module
    images: Tensor
    labels: Tensor
    ball: Ball
    generator: torch.Generator
    leave: bool

    def run(self, aim: Tensor | None, index: Tensor) -> list[Candidate]:
        """From a random start: the point of highest margin; where images stay, also of highest loss, and the last."""
        state, best = self._start(aim if aim is None else aim[index], index)
        at = torch.arange(len(index), device=index.device)
        last_check, checks = 0, set(checkpoints(self.attack.steps))
        for step in range(1, self.attack.steps + 1):
            margin = self._step(state, first=step == 1)
            best.update(at, Candidate(state.x, margin))
            if step in checks:
                self._reconsider(state, step - last_check)
                last_check = step
            if self.leave and (stay := staying(margin)) is not None:
                at, state = at[stay], state.take(stay)
                if not len(at):
                    break
        found = [Candidate(best.images, best.margin)]
        return found if self.leave else [Candidate(state.x, margin), Candidate(state.best, margin), *found]

    def _start(self, aim: Tensor | None, index: Tensor) -> tuple[_State, Best]:
        images, labels = self.images[index], self.labels[index]
        x = self.ball.random(images, self.generator)
        here = self._look(x, labels, aim)
        state = _State(
            images=images,
            labels=labels,
            aim=aim,
            x=x,
            before=x,
            loss=here.loss,
            gradient=here.gradient,
            best=x,
            highest=here.loss,
            gradient_there=here.gradient,
            highest_at_check=here.loss,
            length=torch.full_like(here.loss, 2 * self.ball.eps),
            successes=torch.zeros_like(here.loss),
            halved_before=torch.ones_like(here.loss, dtype=torch.bool),
        )
        return state, Best.of(x, here.margin)

    def _look(self, x: Tensor, labels: Tensor, aim: Tensor | None) -> Expected:
        loss = LOSSES[self.attack.loss]
        return expected_gradient(self.model, x, labels, loss, draws=self.attack.draws, targets=aim)

    def _step(self, state: _State, *, first: bool) -> Tensor:
        """Moves on, looks, remembers what is better; the margins there."""
        state.x, state.before = self._ahead(state, first=first), state.x
        here = self._look(state.x, state.labels, state.aim)
        state.successes = state.successes + (here.loss > state.loss)
        state.loss, state.gradient = here.loss, here.gradient
        better = here.loss > state.highest
        state.best = _where(better, state.x, state.best)
        state.gradient_there = _where(better, here.gradient, state.gradient_there)
        state.highest = state.highest.maximum(here.loss)
        return here.margin

    def _ahead(self, state: _State, *, first: bool) -> Tensor:
        ahead = state.x + state.length.view(-1, 1, 1, 1) * self.ball.steepest(state.gradient)
        ahead = self.ball.project(ahead, state.images)
        if first:
            return ahead
        momentum = _MOMENTUM * (ahead - state.x) + (1 - _MOMENTUM) * (state.x - state.before)
        return self.ball.project(state.x + momentum, state.images)

    def _reconsider(self, state: _State, steps: int) -> None:
        few = state.successes < _SUCCESSES * steps
        stuck = ~state.halved_before & (state.highest <= state.highest_at_check)
        halve = few | stuck
        state.length = torch.where(halve, state.length / 2, state.length)
        state.halved_before, state.highest_at_check = halve, state.highest
        state.successes = torch.zeros_like(state.successes)
        state.loss = torch.where(halve, state.highest, state.loss)
        state.gradient = _where(halve, state.gradient_there, state.gradient)
        state.x = _where(halve, state.best, state.x)


def _where(mask: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(mask.view(-1, 1, 1, 1), yes, no)
