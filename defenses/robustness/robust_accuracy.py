"""Runs a budget of attacks against a model and judges what is left."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from scipy.stats import binomtest
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball, NormName
from stormbench.defenses.attacks.base import check_classes, subseed
from stormbench.defenses.attacks.expectation import undisturbed
from stormbench.defenses.attacks.registry import make_attack
from stormbench.defenses.base import fixed_draw
from stormbench.defenses.robustness.budgets import BUDGETS, Budget, Role, Row
from stormbench.defenses.robustness.rows import Judged, Target, is_random, run_row, undefended_model, varies
from stormbench.defenses.robustness.schedule import Subject, fixed_rows, lead_rows, other_rows
from stormbench.defenses.robustness.verdict import SETTLED, Figures, Verdict, judge_figures
from stormbench.errors import InputError

Runner = Callable[[Sequence[Row]], Mapping[Row, Judged]]


_ATTACKERS = (Role.ADAPTIVE, Role.GRADIENT_FREE, Role.OBLIVIOUS, Role.TRANSFER)


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
    adaptive: Tensor
    adaptive_vote: Tensor
    verdict: Verdict
    reason: str
    gradients_per_image: int

    @property
    def images(self) -> int:
        """How many images were attacked."""
        return len(self.adaptive)

    def correct(self, role: Role) -> int | None:
        """How many images were right under all rows of a role (the worst for each image); None where it was not run."""
        judged = [outcome for row, outcome in self.rows.items() if row.role is role]
        return int(worst_of(judged)[0].sum()) if judged else None

    @property
    def counts(self) -> dict[str, int | None]:
        """Right answers under the five headings that a result file keeps."""
        return {
            "clean": self.correct(Role.CLEAN),
            "oblivious": self.correct(Role.OBLIVIOUS),
            "adaptive": int(self.adaptive.sum()),
            "fixed_draw": self.correct(Role.FIXED_DRAW),
            "noise": self.correct(Role.NOISE),
        }

    @property
    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """Wilson's 95 % interval of the share of right answers, 0..1, under the headings of ``counts``.

        An image behind a random defense is judged by a draw of its own, so the interval covers the draws as well.
        """
        return {name: None if right is None else _wilson(right, self.images) for name, right in self.counts.items()}


def worst_of(judged: Sequence[Judged]) -> tuple[Tensor, Tensor]:
    """Joins attacks image by image: the one with the highest danger counts, and other draws judge it.

    Counting an image as broken because any of several random judgements was wrong would call luck an attack.

    Returns:
        Right by the rule and right by the vote, ``(N,)`` each.
    """
    choice = torch.stack([each.danger for each in judged]).argmax(dim=0, keepdim=True)
    rule = torch.stack([each.correct for each in judged]).gather(0, choice).squeeze(0)
    vote = torch.stack([each.correct_vote for each in judged]).gather(0, choice).squeeze(0)
    return rule, vote


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

    def run(rows: Sequence[Row]) -> dict[Row, Judged]:
        return {row: run_on_all(row) for row in rows}

    def run_on_all(row: Row) -> Judged:
        found, done = [], 0
        for number, (batch, classes) in enumerate(batches):
            found.append(run_row(row, target, batch, classes, ball, seed=subseed(seed, number)))
            done += len(batch)
            if report:
                report(row, done, len(images))
        return joined(found)

    return evaluate(run, chosen, subject, ball)


def joined(parts: Sequence[Judged]) -> Judged:
    """The outcomes of several batches as one."""
    names = ("danger", "correct", "correct_vote")
    return Judged(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


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
    return Subject(random, fixable, target.undefended is not None, tuple(target.sources), classes)


def evaluate(run: Runner, budget: Budget, subject: Subject, ball: Ball) -> Evaluation:
    """Runs the rows of a budget, doubles the lead attack's effort until it settles, and judges.

    Args:
        run: runs rows on all images; where and how is its affair.
        budget: how hard to try.
        subject: what ``examine`` found.
        ball: the threat model.
    """
    rows = dict(run(fixed_rows(budget, subject, ball)))
    left, fall, draws = 1.0, 0.0, 1
    for number, row in enumerate(lead_rows(budget, subject)):
        rows |= run([row])
        draws = make_attack(row.attack).draws
        before, left = left, _left(rows, Role.ADAPTIVE, by_vote=True) or 0.0  # a vote moves less by chance than a draw
        fall = before - left if number else 0.0
        if left <= SETTLED or (number and abs(fall) <= SETTLED):  # what is left cannot fall by more, or does not move
            break
    rows |= run(other_rows(budget, draws))
    adaptive, adaptive_vote = worst_of([judged for row, judged in rows.items() if row.role in _ATTACKERS])
    figures = Figures(
        clean=_left(rows, Role.CLEAN) or 0.0,
        adaptive=_share(adaptive),
        white_box=_left(rows, Role.ADAPTIVE) or 0.0,
        oblivious=_left(rows, Role.OBLIVIOUS),
        noise=_left(rows, Role.NOISE),
        gradient_free=_left(rows, Role.GRADIENT_FREE),
        transfer=_left(rows, Role.OBLIVIOUS, Role.TRANSFER),
        fixed_draw=_left(rows, Role.FIXED_DRAW),
        large_eps=_left(rows, Role.LARGE) or 0.0,
        chance=1 / subject.classes,
        last_fall=fall,
    )
    verdict, reason = judge_figures(figures)
    knowing = [row for row in rows if row.role in (Role.ADAPTIVE, Role.GRADIENT_FREE)]
    gradients = sum(make_attack(row.attack).gradients for row in knowing)
    return Evaluation(rows, adaptive, adaptive_vote, verdict, reason, gradients)


def _left(rows: Mapping[Row, Judged], *roles: Role, by_vote: bool = False) -> float | None:
    """The accuracy under the worst of the rows of some roles for each image; None where there are none."""
    judged = [outcome for row, outcome in rows.items() if row.role in roles]
    return _share(worst_of(judged)[by_vote]) if judged else None


def _share(right: Tensor) -> float:
    return float(right.double().mean())


def _wilson(right: int, images: int) -> tuple[float, float]:
    found = binomtest(right, images).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)
