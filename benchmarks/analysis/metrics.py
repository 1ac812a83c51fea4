"""All figures of a run in one table: score, compare, leaderboard, CSV and page print from it.

A figure that is a mean over images needs nothing but a row with ``of_images``: it then has an interval, paired
differences, a column and a line of the glossary everywhere. Others are computed in ``figures`` and
``sequence_summary`` under the key of their row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.results.images import Outcomes
from stormbench.cells import CLEAN, Cell
from stormbench.metrics.baselines import PublishedRow
from stormbench.metrics.estimates import Sampled, sampled_share
from stormbench.metrics.stability import TOP
from stormbench.registry import Registry


class CellOutcomes(NamedTuple):
    """Outcomes of some cells of a run.

    Attributes:
        outcomes: of the run.
        rows: of the clean images and of corrupted ones among them.
    """

    outcomes: Outcomes
    clean: list[int]
    rows: list[int]

    @classmethod
    def of(cls, outcomes: Outcomes, columns: dict[Cell, int]) -> "CellOutcomes":
        """From the row of each cell."""
        corrupted = [row for cell, row in columns.items() if cell[0] != CLEAN]
        return cls(outcomes, [columns[CLEAN, 0]] if (CLEAN, 0) in columns else [], corrupted)

    @property
    def corrupted(self) -> NDArray[np.uint16]:
        """Rank of the true class in the corrupted cells, shape ``(cells, images)``."""
        return self.outcomes.rank[self.rows]


@dataclass(frozen=True)
class Metric:
    """One figure.

    Attributes:
        name: its key in CSV, JSON and Python.
        heading: what stands above the column.
        meaning: what the figure is, in a sentence for newcomers.
        published: where a published row has it.
        higher_is_better: the direction.
        unit: percent, or nothing.
        digits: after the point.
        arrays: the stored arrays that it is made of.
        order: which figure ranks a board and decides a comparison: the first that all have.
        of_images: each image's value in 0..1, shape ``(images,)``, where the figure is their mean.
    """

    name: str
    heading: str
    meaning: str
    published: Callable[[PublishedRow], float | None] = lambda _: None
    higher_is_better: bool = False
    unit: str = "%"
    digits: int = 1
    arrays: tuple[str, ...] = ()
    order: int = 99
    of_images: Callable[[CellOutcomes], NDArray[np.float64]] | None = None

    def sampled(self, cells: CellOutcomes, resamples: int) -> Sampled | None:
        """The mean over images as observed and in each resample; None where it is no such mean, or has no cells."""
        if self.of_images is None or not cells.rows:
            return None
        return sampled_share(self.of_images(cells), resamples)

    @property
    def phrase(self) -> str:
        """The heading inside a sentence."""
        return self.heading if self.heading[:2] in ("mC", "mF", "mT") else self.heading[0].lower() + self.heading[1:]

    @property
    def title(self) -> str:
        """The heading inside a sentence or along an axis, with its unit."""
        return f"{self.phrase} ({self.unit})" if self.unit else self.phrase


METRICS = (
    Metric(
        "mce",
        "mCE",
        "mean corruption error: for each of fifteen corruptions the model's errors divided by AlexNet's, averaged; "
        "100 is as bad as AlexNet, lower is better.",
        lambda row: row.mce,
        arrays=("rank",),
        order=0,
    ),
    Metric(
        "relative_mce",
        "Relative mCE",
        "the same for the errors that corruption adds to the clean error: how much the model loses, wherever it "
        "started from; lower is better.",
        arrays=("rank",),
        order=6,
    ),
    Metric(
        "mean_error",
        "Mean error",
        "the share of corrupted images that the model gets wrong, averaged over all corruptions and severities; "
        "lower is better. CIFAR-style suites report it under the name mCE.",
        arrays=("rank",),
        order=1,
    ),
    Metric(
        "clean_error",
        "Clean error",
        "the share of undisturbed images that the model gets wrong; lower is better.",
        lambda row: row.clean_error,
        arrays=("rank",),
        order=5,
    ),
    Metric(
        "mean_top5_error",
        "Mean top-5 error",
        "the share of corrupted images whose class is not among the model's five best guesses, averaged over all "
        "corruptions and severities; lower is better.",
        arrays=("rank",),
        order=9,
        of_images=lambda wrong: (wrong.corrupted >= TOP).mean(axis=0),
    ),
    Metric(
        "mfr",
        "mFR",
        "mean flip rate: how often the answer changes from frame to frame while an image is slowly perturbed, divided "
        "by AlexNet's rate, or by that of another baseline where the table's title names one; lower is better.",
        lambda row: row.mfr,
        arrays=("top",),
        order=2,
    ),
    Metric(
        "mt5d",
        "mT5D",
        "mean top-5 distance: how far the five best guesses move from frame to frame, divided by AlexNet's distance or "
        "another baseline's, likewise; lower is better.",
        lambda row: row.mt5d,
        arrays=("top",),
        order=7,
    ),
    Metric(
        "flip_probability",
        "Flip probability",
        "how often the answer changes from frame to frame, averaged over the perturbations and divided by nothing; "
        "lower is better.",
        digits=2,
        arrays=("top",),
        order=3,
    ),
    Metric(
        "top5_distance",
        "Top-5 distance",
        "how far the five best guesses move from frame to frame, 0 to 15, divided by nothing; lower is better.",
        unit="",
        digits=2,
        arrays=("top",),
        order=8,
    ),
    Metric(
        "robust_accuracy",
        "Robust accuracy",
        "the share of images that stay right whatever an adversary does who knows the model and its defense "
        "(adaptive attacks, the worst for each image); higher is better.",
        higher_is_better=True,
        arrays=("attack_correct",),
        order=4,
    ),
)
FIGURES: Registry[Metric] = Registry("figure", METRICS)
# The order in which figures rank boards and decide comparisons.
DECIDING = tuple(metric.name for metric in sorted(METRICS, key=lambda metric: metric.order))


def image_means(outcomes: Outcomes, columns: dict[Cell, int], resamples: int) -> dict[str, Sampled]:
    """All figures that are means over images, for some cells of a run."""
    cells = CellOutcomes.of(outcomes, columns)
    sampled = {metric.name: metric.sampled(cells, resamples) for metric in METRICS}
    return {name: figure for name, figure in sampled.items() if figure is not None}
