"""Runs a budget of attacks against a model and judges what is left."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from scipy.stats import binomtest
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball, NormName
from stormbench.defenses.attacks.base import check_classes, subseed
from stormbench.defenses.attacks.expectation import has_gradient, undisturbed, varies
from stormbench.defenses.attacks.registry import make_attack
from stormbench.defenses.base import fixed_draw
from stormbench.defenses.robustness.budgets import BUDGETS, KNOWING, Budget, Role, Row
from stormbench.defenses.robustness.outcomes import ATTACKERS, AttackOutcomes, Judged, Right
from stormbench.defenses.robustness.rows import Target, is_random, run_row, undefended_model
from stormbench.defenses.robustness.schedule import (
    Subject,
    check_budget,
    fixed_rows,
    lead_rows,
    most_draws,
    other_rows,
)
from stormbench.defenses.robustness.verdict import SETTLED, Verdict, judge_figures
from stormbench.errors import InputError


class Runner(Protocol):
    """Runs rows on all images; where and how is its affair."""

    def __call__(self, rows: Sequence[Row], settled: Judged | None = None) -> Mapping[Row, Judged]:
        """What became of each image; with ``settled`` only of those that are still right (:func:`run_row`)."""


@dataclass(frozen=True)
class Evaluation:
    """What came out, image by image, and what it amounts to.

    Attributes:
        rows: every row that was run, in order, with what became of each image.
        adaptive: right under the worst attack for each image, by the model's own rule of decision, ``(N,)``.
        adaptive_vote: likewise by the vote.
        verdict: in words.
        reason: why, in a sentence.
        gradients_per_image: backward passes (forward for gradient-free attacks) of all attacks on the defended model.
    """

    rows: Mapping[Row, Judged]
    adaptive: Right
    adaptive_vote: Right
    verdict: Verdict
    reason: str
    gradients_per_image: int

    @property
    def images(self) -> int:
        """How many images were attacked."""
        return len(self.adaptive)

    @property
    def outcomes(self) -> AttackOutcomes:
        """All rows joined, in their order."""
        return AttackOutcomes.of(list(self.rows.values()))

    def correct(self, *roles: Role) -> int | None:
        """How many images were right under all rows of a role (the worst for each image); None where it was not run."""
        return self.outcomes.count([row.role for row in self.rows], *roles)

    @property
    def counts(self) -> dict[str, int | None]:
        """Right answers under the five headings that a result file keeps."""
        return {
            "clean": self.correct(Role.CLEAN),
            "oblivious": self.correct(Role.OBLIVIOUS),
            "adaptive": self.correct(*ATTACKERS),
            "fixed_draw": self.correct(Role.FIXED_DRAW),
            "noise": self.correct(Role.NOISE),
        }

    @property
    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """Wilson's 95 % interval of the share of right answers, 0..1, under the headings of ``counts``.

        An image behind a random defense is judged by a draw of its own, so the interval covers the draws as well.
        """
        return {name: None if right is None else _wilson(right, self.images) for name, right in self.counts.items()}


def robust_accuracy(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    norm: NormName = "linf",
    budget: str | Budget = "standard",
    undefended: nn.Module | None = None,
    sources: Mapping[str, nn.Module] | None = None,
    seed: int = 0,
    batch_size: int = 50,
    report: Callable[[Row, int, int], None] | None = None,
) -> Evaluation:
    """Attacks a model with everything that a budget allows, and says what is left of it.

    Args:
        model: from ``(N, 3, H, W)`` in [0, 1] to logits ``(N, K)``; random or not, defended or not.
        images: ``(N, 3, H, W)`` float in [0, 1].
        labels: true classes, ``(N,)``.
        eps: radius of the ball, for pixels in [0, 1].
        norm: ``linf`` or ``l2``.
        budget: how hard to try; ``BUDGETS`` has them.
        undefended: the model without its defense; found by itself where ``model`` was made by ``defend``.
        sources: further models to make transferred attacks on, by name.
        seed: of everything that is drawn.
        batch_size: images that are attacked at once.
        report: called after every batch with the row, the images done and the images of the row.

    Raises:
        InputError: images, labels, radius or budget are not what they should be.
        ModelError: the model gives no finite logits, or fewer classes than the labels name.
    """
    chosen = BUDGETS[budget] if isinstance(budget, str) else budget
    ball = Ball(norm, eps)
    base = undefended if undefended is not None else undefended_model(model)
    target = Target(model, base, sources or {}, vote=chosen.vote, judge=chosen.judge)
    subject = examine(target, images, labels)
    batches = list(zip(images.split(batch_size), labels.split(batch_size), strict=True))

    def run(rows: Sequence[Row], settled: Judged | None = None) -> dict[Row, Judged]:
        return {row: run_on_all(row, settled) for row in rows}

    def run_on_all(row: Row, settled: Judged | None) -> Judged:
        found, done = [], 0
        for number, (batch, classes) in enumerate(batches):
            before = settled and settled.take(slice(done, done + len(batch)))
            found.append(run_row(row, target, batch, classes, ball, seed=subseed(seed, number), settled=before))
            done += len(batch)
            if report:
                report(row, done, len(images))
        return Judged.joined([vars(part) for part in found])

    return evaluate(run, chosen, subject)


@torch.no_grad()
def examine(target: Target, images: Tensor, labels: Tensor) -> Subject:
    """Looks at the model before any attack.

    Raises:
        InputError: there are no images.
        ModelError: the model gives no finite logits, or fewer classes than the labels name.
    """
    if not len(images):
        raise InputError("there are no images to attack")
    random = is_random(target.model, images[:1])
    with undisturbed(target.model, 0):
        classes = check_classes(target.model, images[:1], labels)
        with fixed_draw(target.model):
            fixable = random and not varies(target.model, images[:1])
    differentiable = has_gradient(target.model, images[:1])
    bare = target.undefended
    defended = bare is not None and (differentiable or has_gradient(bare, images[:1]))
    return Subject(random, fixable, defended, tuple(target.sources), classes, differentiable)


def evaluate(run: Runner, budget: Budget, subject: Subject) -> Evaluation:
    """Runs the rows of a budget, doubles the lead attack's effort until it settles, and judges.

    Args:
        run: runs rows on all images; where and how is its affair.
        budget: how hard to try.
        subject: what ``examine`` found.

    Raises:
        InputError: the budget is not for models that draw, and this one does.
    """
    check_budget(budget, subject)
    rows = dict(run(fixed_rows(budget, subject)))
    leads = _run_lead(run, budget, subject)
    rows |= leads
    draws = make_attack(list(leads)[-1].attack).draws if leads else most_draws(budget, subject)
    rows |= _run_others(run, budget, subject, other_rows(budget, subject, draws))
    roles, outcomes = [row.role for row in rows], AttackOutcomes.of(list(rows.values()))
    adaptive = outcomes.under(roles, *ATTACKERS)
    assert adaptive is not None  # every budget attacks
    attacks = [row.attack for row in rows]
    figures = outcomes.figures(roles, attacks, classes=subject.classes, first_look=budget.first_look)
    verdict, reason = judge_figures(figures)
    passes = sum(make_attack(row.attack).gradients for row in rows if row.role in KNOWING)
    return Evaluation(rows, *adaptive, verdict, reason, passes)


def _run_lead(run: Runner, budget: Budget, subject: Subject) -> dict[Row, Judged]:
    """The lead attack, until what it leaves (by vote, which moves less by chance than a draw) settles."""
    rows: dict[Row, Judged] = {}
    left = 1.0
    for number, row in enumerate(lead_rows(budget, subject)):
        rows |= run([row])
        by_vote = AttackOutcomes.of(list(rows.values())).worst(range(len(rows)))[1]
        before, left = left, float(by_vote.mean())
        # what is left cannot fall by more, or does not move
        if left <= SETTLED or (number and abs(before - left) <= SETTLED):
            break
    return rows


def _run_others(run: Runner, budget: Budget, subject: Subject, others: Sequence[Row]) -> dict[Row, Judged]:
    """The other attacks: all on all images, or one after the other, each on what is left."""
    if not budget.cascade or subject.random:
        return dict(run(others))
    rows: dict[Row, Judged] = {}
    settled: Judged | None = None
    for row in others:
        rows |= run([row], settled)
        settled = rows[row]
    return rows


def _wilson(right: int, images: int) -> tuple[float, float]:
    found = binomtest(right, images).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)
