"""Fast adaptive boundary attack: looks for the smallest change by walking along the boundary."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.expectation import expected_margin, repeats
from stormbench.defenses.attacks.parts.active import Candidate, State, strongest
from stormbench.defenses.attacks.parts.planes import linearised, to_plane
from stormbench.defenses.attacks.pgd import aims_of
from stormbench.errors import InputError

_MOST_BIAS = 0.1  # alpha_max: how far a step goes towards the projection of the image itself
_OVERSHOOT = 1.05  # eta
_BACKWARD = 0.9  # beta: where the model errs, the walk goes on from this share of the change
_SEARCHES = 3  # steps of the final search between the image and the nearest mistake
_TINY = 1e-12
_ALL = 2**31  # more classes than any model has


@dataclass(frozen=True, kw_only=True)
class FAB:
    """FAB and its targeted form FAB-T (Croce and Hein 2020, arXiv 1907.02044), in the norm of the ball.

    Each step projects the point and the image onto the nearest linearised boundary inside [0, 1], goes just beyond, and
    mixes both; where the model errs the walk goes back towards the image. A final search between the image and the
    nearest mistake ends the run. The first start is the image, the others are random.

    Attributes:
        steps: number of steps.
        restarts: number of starts.
        targets: 0 looks at the boundaries to all other classes at every step; else FAB-T, with the boundary to each of
            so many of the likeliest wrong classes alone, one after the other.
        draws: draws over which logits and gradients are averaged.
        stop: images that a deterministic model gets wrong inside the ball leave the attack; false looks for the
            smallest change of every image.

    Raises:
        InputError: a setting is out of range.
    """

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
        """Backward passes per image; without targets one for each wrong class, counted as the 9 of ten classes."""
        return self.steps * self.draws * self.restarts * (self.targets or 9)

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, ball: Ball, generator: torch.Generator
    ) -> Tensor:
        """See ``Attack``; what lies outside the ball is cut off."""
        leave = self.stop and repeats(model, images)
        walk = _Walk(self, model, images, labels, ball, generator, leave=leave)
        runs = self._runs(walk, aims_of(model, images, labels, count=self.targets, draws=self.draws))
        return strongest(model, images, labels, runs, draws=self.draws, leave=leave)

    def _runs(self, walk: "_Walk", aims: Iterator[Tensor | None]) -> "Iterator[partial[list[Candidate]]]":
        for aim in aims:
            for restart in range(self.restarts):
                yield partial(walk.run, aim, restart > 0)


@dataclass
class _State(State):
    """Where each image stands: the point, the nearest mistake so far and its distance (infinite: none)."""

    images: Tensor
    labels: Tensor
    aim: Tensor | None
    x: Tensor
    nearest: Tensor
    distance: Tensor


@dataclass
class _Walk:
    """The runs of one call: the attack's settings, what it attacks, and whether broken images leave."""

    attack: FAB
    model: nn.Module
    images: Tensor
    labels: Tensor
    ball: Ball
    generator: torch.Generator
    leave: bool

    def run(self, aim: Tensor | None, random: bool, index: Tensor) -> list[Candidate]:
        """The nearest mistake of each image, cut off at the ball; where none was found, the last point."""
        images, labels = self.images[index], self.labels[index]
        state = self._start(images, labels, aim if aim is None else aim[index, None], random=random)
        found, at = images.clone(), torch.arange(len(images), device=images.device)
        for _ in range(self.attack.steps):
            self._step(state)
            gone = state.distance <= self.ball.eps
            if self.leave and gone.any():
                found[at[gone]] = state.nearest[gone]
                at, state = at[~gone], state.take(~gone)
                if not len(at):
                    break
        self._search(state)
        found[at] = torch.where(_wide(state.distance.isfinite()), state.nearest, state.x)
        found = self.ball.project(found, images)
        return [Candidate(found, self._margin(found, labels))]

    def _start(self, images: Tensor, labels: Tensor, aim: Tensor | None, *, random: bool) -> _State:
        half = Ball(self.ball.norm, self.ball.eps / 2)
        x = half.random(images, self.generator) if random else images
        never = torch.full((len(images),), torch.inf, device=images.device)
        return _State(images, labels, aim, x, images, never)

    def _step(self, state: _State) -> None:
        others = _ALL if state.aim is None else state.aim
        gaps, slopes = linearised(self.model, state.x, state.labels, others, draws=self.attack.draws)
        gap, slope = self._nearest_boundary(gaps, slopes)
        x, images = state.x.flatten(1), state.images.flatten(1)
        at_image = gap + (slope * (images - x)).sum(dim=1)
        here, there = (to_plane(*each, self.ball.norm) for each in ((x, slope, gap), (images, slope, at_image)))
        bias = self._bias(here, there)
        mixed = (1 - bias) * (x + _OVERSHOOT * here) + bias * (images + _OVERSHOOT * there)
        state.x = mixed.clamp(0, 1).view_as(state.x)
        self._remember(state)

    def _nearest_boundary(self, gaps: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
        dual = slopes.norm(p=1 if self.ball.norm == "linf" else 2, dim=2)
        nearest = torch.where(dual > 0, gaps.abs() / dual, torch.inf).argmin(dim=1, keepdim=True)
        return gaps.gather(1, nearest).squeeze(1), slopes[torch.arange(len(slopes)), nearest.squeeze(1)]

    def _bias(self, here: Tensor, there: Tensor) -> Tensor:
        """How far the step goes towards the projection of the image, ``(n, 1)``."""
        order = torch.inf if self.ball.norm == "linf" else 2
        near, far = (torch.linalg.vector_norm(each, ord=order, dim=1, keepdim=True) for each in (here, there))
        return torch.where(near + far > 0, near / (near + far), 0).clamp_max(_MOST_BIAS)

    def _remember(self, state: _State) -> None:
        """Keeps mistakes that are nearer than those before, and goes back from every mistake towards the image."""
        wrong = self._margin(state.x, state.labels) > 0
        distance = self.ball.distance(state.x, state.images)
        nearer = wrong & (distance < state.distance)
        state.nearest = torch.where(_wide(nearer), state.x, state.nearest)
        state.distance = torch.where(nearer, distance, state.distance)
        back = state.images + _BACKWARD * (state.x - state.images)
        state.x = torch.where(_wide(wrong), back, state.x)

    def _search(self, state: _State) -> None:
        """Looks for a nearer mistake between each image and its nearest one, where the margin would be 0 if linear."""
        at = state.distance.isfinite().nonzero().squeeze(1)
        if not len(at):
            return
        right, wrong = (Candidate(each, self._margin(each, state.labels[at])) for each in self._ends(state, at))
        for _ in range(_SEARCHES):
            share = _wide(wrong.margin / (wrong.margin - right.margin).clamp_min(_TINY))
            middle = wrong.images + share.clamp(0, 1) * (right.images - wrong.images)
            between = Candidate(middle, self._margin(middle, state.labels[at]))
            errs = between.margin > 0
            right, wrong = _chosen(errs, right, between), _chosen(errs, between, wrong)
        state.nearest, state.distance = state.nearest.clone(), state.distance.clone()
        state.nearest[at], state.distance[at] = wrong.images, self.ball.distance(wrong.images, state.images[at])

    def _ends(self, state: _State, at: Tensor) -> tuple[Tensor, Tensor]:
        return state.images[at], state.nearest[at]

    def _margin(self, x: Tensor, labels: Tensor) -> Tensor:
        return expected_margin(self.model, x, labels, draws=self.attack.draws)


def _chosen(which: Tensor, one: Candidate, other: Candidate) -> Candidate:
    images = torch.where(_wide(which), one.images, other.images)
    return Candidate(images, torch.where(which, one.margin, other.margin))


def _wide(mask: Tensor) -> Tensor:
    return mask.view(-1, 1, 1, 1)
