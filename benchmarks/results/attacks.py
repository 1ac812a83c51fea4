"""Result records of adversarial evaluations."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stormbench.benchmarks.results.records import Count, PositiveCount, Record, Text


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
        by_image: the outcomes hold every image under every row, so that all counts can be recomputed; not so in files
            from before schema 3, whose counts rest on the seal alone.
    """

    norm: Literal["linf", "l2"]
    eps: Annotated[float, Field(gt=0)]
    budget: Text
    images: PositiveCount
    correct: CorrectRecord
    adaptive_vote: Count
    verdict: Text
    reason: Text
    gradients_per_image: Count
    rows: list[AttackRecord]
    by_image: bool

    @model_validator(mode="after")
    def _counts_add_up(self) -> "AdversarialRecord":
        counts = [*dict(self.correct).values(), self.adaptive_vote, *(row.correct for row in self.rows)]
        if most := [count for count in counts if count is not None and count > self.images]:
            raise ValueError(f"{most[0]} right answers for {self.images} images")
        return self
