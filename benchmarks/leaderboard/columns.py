"""The figures of the leaderboard, as data: how they are printed, and what they say to somebody who never saw them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from stormbench.metrics.baselines import PublishedRow
from stormbench.metrics.estimates import Estimate


class Figure(NamedTuple):
    """A figure as it is printed everywhere: on the page, in the CSV, in Markdown and in LaTeX.

    Attributes:
        value: to sort and to draw by.
        text: as it is printed.
        bounds: of its interval, as they are printed; None for published figures.
        interval: the same as numbers.
    """

    value: float
    text: str
    bounds: tuple[str, str] | None = None
    interval: Estimate | None = None

    @property
    def brackets(self) -> str:
        """The interval, or nothing."""
        return f"[{', '.join(self.bounds)}]" if self.bounds else ""

    def __str__(self) -> str:
        return f"{self.text} {self.brackets}".rstrip()


@dataclass(frozen=True)
class Column:
    """One figure.

    Attributes:
        key: name in the CSV.
        heading: what stands above the column.
        meaning: what the figure is, in a sentence for newcomers.
        published: where a published row has it.
        higher_is_better: the direction.
        unit: percent, or nothing.
        digits: after the point.
    """

    key: str
    heading: str
    meaning: str
    published: Callable[[PublishedRow], float | None] = lambda _: None
    higher_is_better: bool = False
    unit: str = "%"
    digits: int = 1

    @property
    def title(self) -> str:
        """The heading inside a sentence or along an axis."""
        name = self.heading if self.heading[:2] in ("mC", "mF", "mT") else self.heading[0].lower() + self.heading[1:]
        return f"{name} ({self.unit})" if self.unit else name

    def measured(self, estimate: Estimate) -> Figure:
        """A figure with its interval."""
        value, low, high = (f"{number:.{self.digits}f}" for number in estimate)
        return Figure(estimate.value, value, (low, high), estimate)


COLUMNS = (
    Column(
        "mce",
        "mCE",
        "mean corruption error: for each of fifteen corruptions the model's errors divided by AlexNet's, averaged; "
        "100 is as bad as AlexNet, lower is better.",
        lambda row: row.mce,
    ),
    Column(
        "relative_mce",
        "Relative mCE",
        "the same for the errors that corruption adds to the clean error: how much the model loses, wherever it "
        "started from; lower is better.",
    ),
    Column(
        "mean_error",
        "Mean error",
        "the share of corrupted images that the model gets wrong, averaged over all corruptions and severities; "
        "lower is better. CIFAR-style suites report it under the name mCE.",
    ),
    Column(
        "clean_error",
        "Clean error",
        "the share of undisturbed images that the model gets wrong; lower is better.",
        lambda row: row.clean_error,
    ),
    Column(
        "mfr",
        "mFR",
        "mean flip rate: how often the answer changes from frame to frame while an image is slowly perturbed, divided "
        "by AlexNet's rate, or by that of another baseline where the table's title names one; lower is better.",
        lambda row: row.mfr,
    ),
    Column(
        "mt5d",
        "mT5D",
        "mean top-5 distance: how far the five best guesses move from frame to frame, divided by AlexNet's distance or "
        "another baseline's, likewise; lower is better.",
        lambda row: row.mt5d,
    ),
    Column(
        "flip_probability",
        "Flip probability",
        "how often the answer changes from frame to frame, averaged over the perturbations and divided by nothing; "
        "lower is better.",
        digits=2,
    ),
    Column(
        "top5_distance",
        "Top-5 distance",
        "how far the five best guesses move from frame to frame, 0 to 15, divided by nothing; lower is better.",
        unit="",
        digits=2,
    ),
    Column(
        "robust_accuracy",
        "Robust accuracy",
        "the share of images that stay right whatever an adversary does who knows the model and its defense "
        "(adaptive attacks, the worst for each image); higher is better.",
        higher_is_better=True,
    ),
)
COLUMN = {column.key: column for column in COLUMNS}


def published_figure(value: float) -> Figure:
    """A figure with as many digits as its source gives it."""
    return Figure(value, f"{value:g}")
