"""What a comparison finds: a figure of both models and how far they lie apart, cell by cell and in all."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stormbench.metrics.estimates import Estimate, Sampled

SIGNIFICANT = 0.05


# What the test on the worst attack for each image is called among the cells.
ATTACKED = "under attack"


@dataclass(frozen=True)
class Difference:
    """One figure of both models, and second minus first.

    Attributes:
        first: the figure of the first model.
        second: the figure of the second.
        points: the difference, with its 95 % interval; below 0 the second is better, unless higher is better.
        higher_is_better: the direction of the figure.
    """

    first: float
    second: float
    points: Estimate
    higher_is_better: bool = False

    @classmethod
    def of(cls, first: Sampled, second: Sampled) -> "Difference":
        """From two figures that were resampled alike."""
        return cls(float(first[0]), float(second[0]), Estimate.of(second - first))

    @property
    def sure(self) -> int:
        """-1 where the second model is surely better, 1 where it is surely worse, 0 where luck could explain it."""
        sign = int(self.points.low > 0) - int(self.points.high < 0)
        return -sign if self.higher_is_better else sign


@dataclass(frozen=True)
class CellTest:
    """McNemar's test on one cell.

    Attributes:
        corruption: with ``severity``, the cell; ``"under attack"`` stands for the worst attack on each image.
        severity: 0 for clean images and under attack.
        only_first_wrong: number of images that only the first model gets wrong.
        only_second_wrong: number of images that only the second model gets wrong.
        p: exact two-sided probability.
        p_holm: after Holm's correction over all cells of the comparison.
    """

    corruption: str
    severity: int
    only_first_wrong: int
    only_second_wrong: int
    p: float
    p_holm: float

    @property
    def sure(self) -> int:
        """As ``Difference.sure``, by the corrected test."""
        return int(np.sign(self.only_second_wrong - self.only_first_wrong)) if self.p_holm <= SIGNIFICANT else 0


@dataclass(frozen=True)
class Comparison:
    """What can be said about two models on the same images.

    Attributes:
        first: the first model's name.
        second: the second's.
        images: how many images both saw.
        baseline: what CE and mCE were measured against; empty for plain mean errors.
        indices: by the names of ``FIGURES``, as far as both runs have them.
        corruptions: CE by corruption, or the mean error where there is no baseline; for sequences the flip rate by
            perturbation, or the flip probability.
        cells: a test for each cell that both runs have, and one under attack where both were attacked alike; none for
            sequences.
        conclusion: all of it in one sentence.
        notes: what a reader must know beside.
    """

    first: str
    second: str
    images: int
    baseline: str
    indices: dict[str, Difference]
    corruptions: dict[str, Difference]
    cells: list[CellTest]
    conclusion: str
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values; an interval is an object with ``value``, ``low`` and ``high``."""
        document = asdict(self)
        for differences in (document["indices"], document["corruptions"]):
            for difference in differences.values():
                difference["points"] = difference["points"]._asdict()
        return document
