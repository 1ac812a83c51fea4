"""From stored counts to figures: errors, CE, mCE and relative mCE, each with its interval."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.results import CLEAN, Cell, Outcomes, Result, read_outcomes, read_result
from stormbench.benchmarks.suites import SUITES
from stormbench.metrics.baselines import Baseline, load_baseline
from stormbench.metrics.corruption import (
    SEVERITIES,
    TEST_CORRUPTIONS,
    corruption_error,
    mean_corruption_error,
    relative_mean_corruption_error,
)
from stormbench.metrics.intervals import resampled_means, wilson

CellKey = tuple[str, int]
Means = Mapping[CellKey, float]


class Estimate(NamedTuple):
    """A figure in percent and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


@dataclass(frozen=True)
class Summary:
    """All figures of one run.

    Attributes:
        result: the counts they come from.
        errors: top-1 error of each cell, Wilson intervals.
        mean_error: plain mean over all corrupted cells, bootstrap over images, as all below.
        baseline: what CE and mCE are measured against.
        corruption_errors: CE by corruption, where all five severities were run.
        mce: mean corruption error over the fifteen.
        relative_mce: relative mean corruption error.
        notes: a sentence for each index that could not be computed.
    """

    result: Result
    errors: dict[CellKey, Estimate]
    mean_error: Estimate | None
    baseline: Baseline | None = None
    corruption_errors: dict[str, Estimate] = field(default_factory=dict)
    mce: Estimate | None = None
    relative_mce: Estimate | None = None
    notes: tuple[str, ...] = ()

    @property
    def clean(self) -> Estimate | None:
        """Top-1 error on clean images."""
        return self.errors.get((CLEAN, 0))

    @property
    def corruptions(self) -> list[str]:
        """The corruptions that were run, in order."""
        return list(dict.fromkeys(corruption for corruption, _ in self.errors if corruption != CLEAN))


def summarise(path: Path, result: Result, baseline: Baseline | None, *, resamples: int = 1000) -> Summary:
    """Computes every figure that the run's cells allow.

    Args:
        path: the result file; the outcomes beside it give the intervals.
        result: what it holds.
        baseline: what to normalise by; None for suites that report plain mean errors.
        resamples: number of bootstrap resamples.

    Raises:
        ResultError: the outcomes are missing or do not fit the result.
    """
    return _Figures(result, read_outcomes(path, result), resamples).summary(baseline)


def suite_baseline(suite: str) -> Baseline | None:
    """What the literature measures a suite against; None for suites that report plain mean errors, and for others'."""
    name = SUITES[suite].baseline if suite in SUITES else None
    return load_baseline(name) if name else None


def find_baseline(name_or_path: str) -> Baseline:
    """A baseline by name, from a file, or made of a result file: the errors of a measured run.

    Raises:
        InputError: it is none of these.
        ResultError: the result file is broken.
    """
    path = Path(name_or_path)
    if path.suffix == ".json" and path.is_file() and b'"schema_version"' in path.read_bytes():
        return as_baseline(read_result(path))
    return load_baseline(name_or_path)


def as_baseline(result: Result) -> Baseline:
    """The errors of a run as what other runs are measured against."""
    table = _table({(cell.corruption, cell.severity): cell.error for cell in result.cells})
    clean = result.cell(CLEAN, 0)
    source = f"measured: {result.model.source} on {result.data.images} images of {result.data.name}, run {result.run}"
    sources = {"errors": source} | ({"clean": source} if clean else {})
    given = {"clean": clean.error} if clean else {}
    return Baseline.model_validate(
        {"name": result.run, "suite": result.suite.name, "sources": sources, "errors": table, **given}
    )


class _Figures:
    """The run's means, observed and resampled: every figure is a function of the means of the cells."""

    def __init__(self, result: Result, outcomes: Outcomes, resamples: int) -> None:
        self.result = result
        self.cells: list[CellKey] = [(cell.corruption, cell.severity) for cell in result.cells]
        wrong = (outcomes.rank >= 1).T
        rng = np.random.default_rng(0)  # the interval of a result is a fact about it, not a new draw
        self.observed = self._means(wrong.mean(axis=0))
        self.resampled = [self._means(row) for row in resampled_means(wrong, resamples=resamples, rng=rng)]

    def _means(self, row: NDArray[np.float64]) -> Means:
        return dict(zip(self.cells, row.tolist(), strict=True))

    def estimate(self, figure: Callable[[Means], float]) -> Estimate:
        low, high = np.quantile([figure(means) for means in self.resampled], [0.025, 0.975])
        return Estimate(figure(self.observed), float(low), float(high))

    def summary(self, baseline: Baseline | None) -> Summary:
        corrupted = [cell for cell in self.cells if cell[0] != CLEAN]
        mean = self.estimate(lambda means: 100 * float(np.mean([means[c] for c in corrupted]))) if corrupted else None
        errors = {(cell.corruption, cell.severity): _wilson(cell) for cell in self.result.cells}
        if baseline is None:
            return Summary(self.result, errors, mean)
        known = [name for name in _table(self.observed) if name in baseline.errors]
        lacking = [name for name in TEST_CORRUPTIONS if name not in known]
        by_corruption = {name: self._corruption_error(name, baseline) for name in known}
        if lacking:
            note = f"mCE needs all fifteen corruptions at five severities; lacking: {', '.join(lacking)}."
            return Summary(self.result, errors, mean, baseline, by_corruption, notes=(note,))
        mce = self.estimate(lambda means: mean_corruption_error(_table(means), baseline.errors))
        relative, notes = self._relative(baseline)
        return Summary(self.result, errors, mean, baseline, by_corruption, mce, relative, notes)

    def _corruption_error(self, name: str, baseline: Baseline) -> Estimate:
        return self.estimate(lambda means: corruption_error(_table(means)[name], baseline.errors[name]))

    def _relative(self, baseline: Baseline) -> tuple[Estimate | None, tuple[str, ...]]:
        if baseline.clean is None or (CLEAN, 0) not in self.observed:
            return None, ("Relative mCE needs the clean errors of the model and of the baseline.",)
        errors, clean = baseline.errors, baseline.clean
        return self.estimate(
            lambda means: relative_mean_corruption_error(_table(means), means[CLEAN, 0], errors, clean)
        ), ()


def _table(means: Means) -> dict[str, list[float]]:
    """The corruptions whose five severities were all run, as the metrics want them."""
    names = dict.fromkeys(name for name, severity in means if severity == SEVERITIES)
    severities = range(1, SEVERITIES + 1)
    return {
        name: [means[name, severity] for severity in severities]
        for name in names
        if all((name, severity) in means for severity in severities)
    }


def _wilson(cell: Cell) -> Estimate:
    low, high = wilson(cell.wrong, cell.images)
    return Estimate(100 * cell.error, 100 * low, 100 * high)
