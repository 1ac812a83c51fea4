"""What became of every single image under every attack and control, and what that adds up to.

Everything that a record of an attack says can be recomputed from these outcomes: every count, and the verdict.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.results.attacks import AdversarialRecord, CorrectRecord
from stormbench.defenses.robustness.budgets import Role
from stormbench.defenses.robustness.verdict import Figures, judge_figures

Right = NDArray[np.bool_]
# The attacks that the headline figure joins, image by image; controls are not among them.
ATTACKERS = (Role.ADAPTIVE, Role.GRADIENT_FREE, Role.OBLIVIOUS, Role.TRANSFER)
_PREFIX = "attack_"
# The lead attack is run several times, with more and more effort.
_EFFORT = re.compile(r",steps=\d+,draws=\d+$")


@dataclass(frozen=True)
class AttackOutcomes:
    """Outcomes of an adversarial evaluation; rows in the order of the record's.

    Attributes:
        danger: how far beyond the border an attack brought the image, by draws that do not judge; the attack with the
            highest counts. Shape ``(rows, images)``.
        correct: right by the model's own rule of decision, likewise.
        correct_vote: right by the vote of several draws, likewise.
    """

    danger: NDArray[np.floating[Any]]
    correct: Right
    correct_vote: Right

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "AttackOutcomes":
        """From the arrays of a file of outcomes."""
        return cls(**{name: arrays[_PREFIX + name] for name in cls.__annotations__})

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """As a file of outcomes holds them."""
        return {_PREFIX + name: array for name, array in vars(self).items()}

    def departure(self, rows: int, images: int) -> str | None:
        """What is impossible about these outcomes, for a record of that size; None where nothing is."""
        for name, array in self.arrays.items():
            kind = "f" if name.endswith("danger") else "b"
            if array.shape != (rows, images) or array.dtype.kind != kind:
                return f"{name} has shape {array.shape} and type {array.dtype}, not shape {(rows, images)}"
        if not np.isfinite(self.danger).all():
            return "a danger is no number"
        return None

    def worst(self, rows: Sequence[int]) -> tuple[Right, Right]:
        """Right by the rule and by the vote under the worst attack for each image, among some rows.

        The attack with the highest danger counts, and other draws judge it: to count an image as broken because any of
        several random judgements was wrong would call luck an attack.

        Returns:
            Shape ``(images,)`` each.
        """
        worst = self.danger[rows].argmax(axis=0)[None]
        rule, vote = (np.take_along_axis(right[rows], worst, axis=0)[0] for right in (self.correct, self.correct_vote))
        return rule, vote

    def under(self, record: AdversarialRecord, *roles: Role) -> tuple[Right, Right] | None:
        """``worst`` of the rows of some roles; None where no row has such a role."""
        rows = [at for at, row in enumerate(record.rows) if row.role in roles]
        return self.worst(rows) if rows else None


ATTACK_ARRAYS = [_PREFIX + name for name in AttackOutcomes.__annotations__]


def recounted(record: AdversarialRecord, outcomes: AttackOutcomes) -> AdversarialRecord:
    """The record with every count as the outcomes have it."""
    by_rule, by_vote = outcomes.correct.sum(axis=1).tolist(), outcomes.correct_vote.sum(axis=1).tolist()
    rows = [
        row.model_copy(update={"correct": rule, "correct_vote": vote})
        for row, rule, vote in zip(record.rows, by_rule, by_vote, strict=True)
    ]
    adaptive = _right(outcomes.under(record, *ATTACKERS))
    knowing = [row.passes for row in record.rows if row.role in (Role.ADAPTIVE, Role.GRADIENT_FREE)]
    correct = CorrectRecord(
        clean=_right(outcomes.under(record, Role.CLEAN))[0] or 0,
        oblivious=_right(outcomes.under(record, Role.OBLIVIOUS))[0],
        adaptive=adaptive[0] or 0,
        fixed_draw=_right(outcomes.under(record, Role.FIXED_DRAW))[0],
        noise=_right(outcomes.under(record, Role.NOISE))[0] or 0,
    )
    return record.model_copy(
        update={
            "rows": rows,
            "correct": correct,
            "adaptive_vote": adaptive[1] or 0,
            "gradients_per_image": sum(knowing),
        }
    )


def _right(found: tuple[Right, Right] | None) -> tuple[int | None, int | None]:
    return (int(found[0].sum()), int(found[1].sum())) if found else (None, None)


def verdict_of(record: AdversarialRecord, outcomes: AttackOutcomes, classes: int) -> str:
    """The verdict that the outcomes allow."""

    def left(*roles: Role) -> float | None:
        found = outcomes.under(record, *roles)
        return float(found[0].mean()) if found else None

    figures = Figures(
        clean=left(Role.CLEAN) or 0.0,
        adaptive=left(*ATTACKERS) or 0.0,
        white_box=left(Role.ADAPTIVE) or 0.0,
        oblivious=left(Role.OBLIVIOUS),
        noise=left(Role.NOISE),
        gradient_free=left(Role.GRADIENT_FREE),
        transfer=left(Role.OBLIVIOUS, Role.TRANSFER),
        fixed_draw=left(Role.FIXED_DRAW),
        large_eps=left(Role.LARGE) or 0.0,
        chance=1 / classes,
        last_fall=_last_fall(record, outcomes),
    )
    return judge_figures(figures)[0].value


def _last_fall(record: AdversarialRecord, outcomes: AttackOutcomes) -> float:
    """By how much the vote's accuracy fell at the last doubling of the lead attack's effort."""
    adaptive = {at: _EFFORT.sub("", row.attack) for at, row in enumerate(record.rows) if row.role == Role.ADAPTIVE}
    leads = [at for at, attack in adaptive.items() if attack == next(iter(adaptive.values()))]
    left = [float(outcomes.worst(leads[:count])[1].mean()) for count in range(1, len(leads) + 1)]
    return left[-2] - left[-1] if len(left) > 1 else 0.0
