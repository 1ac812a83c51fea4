"""Result records of adversarial evaluations."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from stormbench.benchmarks.results.records import Count, Digest, PositiveCount, Record, Text
from stormbench.defenses.robustness.budgets import KNOWING, Role, is_first_look
from stormbench.defenses.robustness.outcomes import ATTACKERS, AttackOutcomes
from stormbench.defenses.robustness.verdict import judge_figures


class AttackRecord(Record):
    """The counts of one attack or control of an adversarial evaluation.

    Attributes:
        role: what it was for: ``clean``, ``adaptive``, ``oblivious``, ``fixed draw``, ...
        attack: its specification; empty for clean images.
        source: the model that a transferred attack was made on.
        correct: right answers by the model's own rule of decision.
        correct_vote: right answers by the vote of several draws; as ``correct`` where nothing is drawn.
        passes: passes through the model that it took for each image.
    """

    role: Text
    attack: Text
    source: Text
    correct: Count
    correct_vote: Count
    passes: Count


class CorrectRecord(Record):
    """Right answers under the five headings that every evaluation has; None where one does not apply."""

    clean: Count
    oblivious: Count | None
    adaptive: Count
    fixed_draw: Count | None
    noise: Count


class AdversarialRecord(Record):
    """What an adversary left of the model (``stormbench attack``).

    Attributes:
        effort: digest of all that the budget consists of; None in files from before it was kept.
        sources: digest of the weights of each model that transferred attacks were made on; None likewise.
        by_image: the outcomes hold every image under every row, so that all counts can be recomputed; not so in files
            from before schema 3, whose counts rest on the seal alone.
        gradients_by_image: they also hold whether the attacks had a gradient to follow; not so in older files, whose
            verdicts do not depend on it.
    """

    norm: Literal["linf", "l2"]
    eps: Annotated[float, Field(gt=0)]
    budget: Text
    effort: Digest | None = None
    sources: dict[Text, Digest] | None = None
    images: PositiveCount
    correct: CorrectRecord
    adaptive_vote: Count
    verdict: Text
    reason: Text
    gradients_per_image: Count
    rows: list[AttackRecord]
    by_image: bool
    gradients_by_image: bool = False

    @model_validator(mode="after")
    def _counts_add_up(self) -> "AdversarialRecord":
        counts = [*dict(self.correct).values(), self.adaptive_vote, *(row.correct for row in self.rows)]
        if most := [count for count in counts if count is not None and count > self.images]:
            raise ValueError(f"{most[0]} right answers for {self.images} images")
        return self


def recounted(record: AdversarialRecord, outcomes: AttackOutcomes) -> AdversarialRecord:
    """The record with every count as the outcomes have it."""
    by_rule, by_vote = outcomes.correct.sum(axis=1).tolist(), outcomes.correct_vote.sum(axis=1).tolist()
    rows = [
        row.model_copy(update={"correct": rule, "correct_vote": vote})
        for row, rule, vote in zip(record.rows, by_rule, by_vote, strict=True)
    ]
    roles = roles_of(record)
    attacked = outcomes.under(roles, *ATTACKERS)
    counts = {
        "rows": rows,
        "correct": CorrectRecord.model_validate(counts_of(roles, outcomes)),
        "adaptive_vote": int(attacked[1].sum()) if attacked else 0,
        "gradients_per_image": sum(row.passes for row in record.rows if row.role in KNOWING),
    }
    return record.model_copy(update=counts)


def counts_of(roles: Sequence[str], outcomes: AttackOutcomes) -> dict[str, int | None]:
    """Right answers under the five headings of :class:`CorrectRecord`."""
    return {
        "clean": outcomes.count(roles, Role.CLEAN) or 0,
        "oblivious": outcomes.count(roles, Role.OBLIVIOUS),
        "adaptive": outcomes.count(roles, *ATTACKERS) or 0,
        "fixed_draw": outcomes.count(roles, Role.FIXED_DRAW),
        "noise": outcomes.count(roles, Role.NOISE) or 0,
    }


def roles_of(record: AdversarialRecord) -> list[str]:
    """The role of each row."""
    return [row.role for row in record.rows]


def verdict_of(record: AdversarialRecord, outcomes: AttackOutcomes, classes: int) -> str:
    """The verdict that the outcomes allow."""
    attacks = [row.attack for row in record.rows]
    figures = outcomes.figures(roles_of(record), attacks, classes=classes, first_look=is_first_look(record.budget))
    return judge_figures(figures)[0].value
