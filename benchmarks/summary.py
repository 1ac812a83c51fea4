"""From stored counts to figures: errors, CE, mCE and relative mCE, each with its interval."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.resampling import Resampled, Sampled, complete_corruptions
from stormbench.benchmarks.results.schema import CLEAN, Cell, Result, read_outcomes, read_result
from stormbench.benchmarks.suites import SEVERITIES, SUITES
from stormbench.errors import InputError
from stormbench.metrics.baselines import Baseline, load_baseline
from stormbench.metrics.corruption import (
    TEST_CORRUPTIONS,
    corruption_error,
    mean_corruption_error,
    relative_mean_corruption_error,
)
from stormbench.metrics.intervals import wilson

CellKey = tuple[str, int]


class Estimate(NamedTuple):
    """A figure in percent and its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, sampled: Sampled) -> "Estimate":
        """From the observed figure and the figure in each resample of the images."""
        low, high = np.quantile(sampled[1:], [0.025, 0.975])
        return cls(float(sampled[0]), float(low), float(high))

    @property
    def brackets(self) -> str:
        """The interval as it is printed everywhere."""
        return f"[{self.low:.1f}, {self.high:.1f}]"

    def __str__(self) -> str:
        return f"{self.value:.1f} {self.brackets}"


@dataclass(frozen=True)
class Summary:
    """All figures of one run.

    Attributes:
        result: the counts they come from.
        errors: top-1 error of each cell, Wilson intervals.
        mean_error: plain mean over all corrupted cells, bootstrap over images, as all below.
        baseline: what CE and mCE are measured against.
        corruption_errors: CE by corruption, where all five severities were run.
        corruption_means: mean error by corruption over its severities, where all five were run.
        severity_means: mean error by severity over all corruptions.
        mce: mean corruption error over the fifteen.
        relative_mce: relative mean corruption error.
        notes: a sentence for each index that could not be computed.
        samples: ``mean_error``, ``mce`` and ``relative_mce`` as observed, and then in each resample of the images. Runs
            on the same images are resampled alike, so that their differences are paired.
    """

    result: Result
    errors: dict[CellKey, Estimate]
    mean_error: Estimate | None
    baseline: Baseline | None = None
    corruption_errors: dict[str, Estimate] = field(default_factory=dict)
    corruption_means: dict[str, Estimate] = field(default_factory=dict)
    severity_means: dict[int, Estimate] = field(default_factory=dict)
    mce: Estimate | None = None
    relative_mce: Estimate | None = None
    notes: tuple[str, ...] = ()
    samples: Mapping[str, Sampled] = field(default_factory=dict)

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
    run = Resampled.of(result, read_outcomes(path, result), resamples)
    figures = sampled_figures(run, baseline)
    indices = {name: Estimate.of(samples) for name, samples in figures.indices.items()}
    return Summary(
        result,
        errors={(cell.corruption, cell.severity): _wilson(cell) for cell in result.cells},
        mean_error=indices.get("mean_error"),
        baseline=baseline,
        corruption_errors={name: Estimate.of(samples) for name, samples in figures.corruptions.items()}
        if baseline
        else {},
        corruption_means={name: Estimate.of(100 * run.mean_errors(name)) for name in run.complete},
        severity_means={severity: Estimate.of(100 * run.severity_errors(severity)) for severity in run.severities},
        mce=indices.get("mce"),
        relative_mce=indices.get("relative_mce"),
        notes=figures.notes,
        samples=figures.indices,
    )


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
    errors = {(cell.corruption, cell.severity): cell.error for cell in result.cells}
    table = {name: [errors[name, severity] for severity in SEVERITIES] for name in complete_corruptions(errors)}
    clean = result.cell(CLEAN, 0)
    source = f"measured: {result.model.source} on {result.data.images} images of {result.data.name}, run {result.run}"
    sources = {"errors": source} | ({"clean": source} if clean else {})
    given = {"clean": clean.error} if clean else {}
    return Baseline.model_validate(
        {"name": result.run, "suite": result.suite.name, "sources": sources, "errors": table, **given}
    )


@dataclass(frozen=True)
class Figures:
    """All figures of a run in percent, as observed and in each resample of its images.

    Attributes:
        indices: ``clean_error``, ``mean_error``, ``mce``, ``relative_mce``, as far as the run's cells allow.
        corruptions: CE by corruption; the mean error over its severities where there is no baseline.
        notes: a sentence for each index that could not be computed.
    """

    indices: dict[str, Sampled]
    corruptions: dict[str, Sampled]
    notes: tuple[str, ...] = ()


def sampled_figures(run: Resampled, baseline: Baseline | None) -> Figures:
    """Every figure that the run's cells and the baseline allow.

    What was observed goes through ``stormbench.metrics``; in the resamples the same formulas are applied to all rows at
    once.
    """
    indices = {}
    if (CLEAN, 0) in run.columns:
        indices["clean_error"] = 100 * run.errors(CLEAN, 0)
    if corrupted := [column for cell, column in run.columns.items() if cell[0] != CLEAN]:
        indices["mean_error"] = 100 * run.means[:, corrupted].mean(axis=1)
    if baseline is None:
        return Figures(indices, {name: 100 * run.mean_errors(name) for name in run.complete})
    corruptions = {name: _ce(run, name, baseline) for name in run.complete if name in baseline.errors}
    if lacking := [name for name in TEST_CORRUPTIONS if name not in corruptions]:
        return Figures(
            indices,
            corruptions,
            (f"mCE needs all fifteen corruptions at five severities; {len(lacking)} of them were not run.",),
        )
    fifteen = np.mean([corruptions[name] for name in TEST_CORRUPTIONS], axis=0)
    indices["mce"] = _exactly(mean_corruption_error(_observed(run), baseline.errors), fifteen)
    if baseline.clean is None or (CLEAN, 0) not in run.columns:
        return Figures(indices, corruptions, ("Relative mCE needs the clean errors of the model and the baseline.",))
    try:
        return Figures(indices | {"relative_mce": _relative_mce(run, baseline, baseline.clean)}, corruptions)
    except InputError as error:
        return Figures(indices, corruptions, (f"There is no relative mCE: {error}.",))


def _ce(run: Resampled, name: str, baseline: Baseline) -> Sampled:
    reference = baseline.errors[name]
    observed = corruption_error(run.observed(name), reference)
    return _exactly(observed, 100 * run.mean_errors(name) / np.mean(reference))


def _relative_mce(run: Resampled, baseline: Baseline, baseline_clean: float) -> Sampled:
    clean = run.errors(CLEAN, 0)
    observed = relative_mean_corruption_error(_observed(run), float(clean[0]), baseline.errors, baseline_clean)
    losses = {name: float(np.mean(baseline.errors[name])) - baseline_clean for name in TEST_CORRUPTIONS}
    relative = [100 * (run.mean_errors(name) - clean) / losses[name] for name in TEST_CORRUPTIONS]
    return _exactly(observed, np.mean(relative, axis=0))


def _observed(run: Resampled) -> dict[str, NDArray[np.float64]]:
    return {name: run.observed(name) for name in TEST_CORRUPTIONS}


def _exactly(observed: float, sampled: Sampled) -> Sampled:
    """The resamples, behind the figure as ``stormbench.metrics`` has it to the last digit."""
    return np.concatenate([[observed], sampled[1:]])


def _wilson(cell: Cell) -> Estimate:
    low, high = wilson(cell.wrong, cell.images)
    return Estimate(100 * cell.error, 100 * low, 100 * high)
