"""The figures of the leaderboard, as data: where each comes from, and what it says to somebody who never saw it."""

from collections.abc import Callable
from dataclasses import dataclass

from stormbench.benchmarks.summary import Estimate, Summary
from stormbench.metrics.baselines import PublishedRow


@dataclass(frozen=True)
class Column:
    """One figure.

    Attributes:
        key: name in the CSV.
        heading: what stands above the column.
        meaning: what the figure is, in a sentence for newcomers.
        measured: where a run's summary has it.
        published: where a published row has it.
    """

    key: str
    heading: str
    meaning: str
    measured: Callable[[Summary], Estimate | None]
    published: Callable[[PublishedRow], float | None] = lambda _: None


COLUMNS = (
    Column(
        "mce",
        "mCE",
        "mean corruption error: for each of fifteen corruptions the model's errors divided by AlexNet's, averaged; "
        "100 is as bad as AlexNet, lower is better.",
        lambda summary: summary.mce,
        lambda row: row.mce,
    ),
    Column(
        "relative_mce",
        "Relative mCE",
        "the same for the errors that corruption adds to the clean error: how much the model loses, wherever it "
        "started from.",
        lambda summary: summary.relative_mce,
    ),
    Column(
        "mean_error",
        "Mean error",
        "the share of corrupted images that it gets wrong, averaged over all corruptions and severities; "
        "CIFAR-style suites report it under the name mCE.",
        lambda summary: summary.mean_error,
    ),
    Column(
        "clean_error",
        "Clean error",
        "the share of undisturbed images that the model gets wrong.",
        lambda summary: summary.clean,
        lambda row: row.clean_error,
    ),
    Column(
        "mfr",
        "mFR",
        "mean flip rate: how often the answer changes from frame to frame while an image is slowly perturbed, divided "
        "by AlexNet's rate.",
        lambda _: None,
        lambda row: row.mfr,
    ),
    Column(
        "mt5d",
        "mT5D",
        "mean top-5 distance: how far the five best guesses move from frame to frame, divided by AlexNet's distance.",
        lambda _: None,
        lambda row: row.mt5d,
    ),
)
