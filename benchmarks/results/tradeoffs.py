"""What a trade-off run leaves: one JSON file of counts that points to the ordinary result files it was made from."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from stormbench.benchmarks.results.documents import read_record, write_record
from stormbench.benchmarks.results.records import Count, Digest, Moment, PositiveCount, Record, Text
from stormbench.metrics.intervals import Interval, wilson

KIND = "tradeoff"


SCHEMA_VERSION = 1


MAXIMAL_BYTES = 2**22


Lambda = Annotated[float, Field(ge=0, le=1)]


Width = Annotated[float, Field(gt=0, le=1)]


class Share(Record):
    """Right answers, or wrong ones, among some images."""

    count: Count
    images: PositiveCount

    @model_validator(mode="after")
    def _counts_add_up(self) -> "Share":
        if self.count > self.images:
            raise ValueError(f"{self.count} of {self.images} images")
        return self

    @property
    def value(self) -> float:
        """In 0..1."""
        return self.count / self.images

    @property
    def interval(self) -> Interval:
        """Wilson's, 95 %."""
        return wilson(self.count, self.images)


class Point(Record):
    """One model at one trade-off and width, or a dedicated model.

    Attributes:
        model: its source, as ``load_model`` spells it.
        lam: lambda: 0 accurate, 1 robust.
        width: share of the channels.
        clean: right answers without an attack, on all images.
        robust: right answers under the worst of all attacks for each image, on the attacked ones.
        attacks: right answers under each attack alone, by its specification, on the attacked images.
        corrupted: wrong answers on the corrupted images of all cells together; None where none were made.
        cells: how many cells those are.
        operations: floating-point operations for one image: two for each multiplication with addition.
        parameters: weights that take part.
        results: names of the result files that the counts come from.
    """

    model: Text
    lam: Lambda
    width: Width
    clean: Share
    robust: Share
    attacks: dict[Text, Count]
    corrupted: Share | None
    cells: Count
    operations: PositiveCount
    parameters: PositiveCount
    results: list[Text]


class Transfer(Record):
    """Adversarial images made at one lambda, shown to the same model at another; on the diagonal the attack knows all.

    Attributes:
        width: of both.
        made_at: the lambda that the attack knew.
        tested_at: the lambda that answered.
        attack: what made them.
        right: right answers.
    """

    width: Width
    made_at: Lambda
    tested_at: Lambda
    attack: Text
    right: Share


class Tradeoff(Record):
    """The curve of one conditional model, and dedicated models beside it.

    Attributes:
        name: of the curve.
        checkpoint: the model's file.
        weights: digest of its weights.
        architecture: of its network.
        data: name of the images.
        fingerprint: of the images.
        suite: how they were prepared, and where corrupted images come from.
        norm: of the attacks.
        eps: their radius, for pixels in [0, 1].
        budget: how hard they tried.
        side: of the image that operations were counted for.
        points: of the conditional model, by width and lambda, ascending.
        dedicated: models that were trained for one lambda.
        transfers: every pair of lambdas at each width for which it was asked.
    """

    kind: Literal["tradeoff"] = "tradeoff"
    schema_version: Literal[1] = 1
    created: Moment
    name: Text
    checkpoint: Text
    weights: Digest
    architecture: Text
    data: Text
    fingerprint: Digest
    suite: Text
    norm: Literal["linf", "l2"]
    eps: Annotated[float, Field(gt=0)]
    budget: Text
    side: PositiveCount
    points: Annotated[list[Point], Field(min_length=1)]
    dedicated: list[Point]
    transfers: list[Transfer]

    @model_validator(mode="after")
    def _points_are_distinct(self) -> "Tradeoff":
        keys = [(point.width, point.lam) for point in self.points]
        if len(set(keys)) < len(keys):
            raise ValueError("a point stands twice")
        return self


def write_tradeoff(tradeoff: Tradeoff, path: Path) -> None:
    """Writes the file whole."""
    write_record(tradeoff, path)


def read_tradeoff(path: Path) -> Tradeoff:
    """Reads and checks a trade-off file.

    Raises:
        ResultError: there is no such file, it is too large, or it is not a trade-off.
    """
    return read_record(path, Tradeoff, f"a trade-off of schema {SCHEMA_VERSION}", longest=MAXIMAL_BYTES)
