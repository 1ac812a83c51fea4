"""Figures of resampled images: CE, mCE, relative mCE, mean errors."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.analysis.resampling import Resampled
from stormbench.cells import CLEAN
from stormbench.errors import InputError
from stormbench.metrics.baselines import Baseline
from stormbench.metrics.corruption import (
    TEST_CORRUPTIONS,
    corruption_error,
    mean_corruption_error,
    relative_mean_corruption_error,
)
from stormbench.metrics.estimates import Sampled
from stormbench.plugins import is_own


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
    if corrupted := [column for cell, column in run.columns.items() if cell[0] != CLEAN and not is_own(cell[0])]:
        indices["mean_error"] = 100 * run.means[:, corrupted].mean(axis=1)
    if baseline is None:
        return Figures(indices, {name: 100 * run.mean_errors(name) for name in run.complete})
    corruptions = {name: _ce(run, name, baseline) for name in run.complete if name in baseline.errors}
    if any(name not in corruptions for name in TEST_CORRUPTIONS):
        return Figures(indices, corruptions, (_why_no_mce(run, corruptions),))
    fifteen = np.mean([corruptions[name] for name in TEST_CORRUPTIONS], axis=0)
    indices["mce"] = _exactly(mean_corruption_error(_observed(run), baseline.errors), fifteen)
    if baseline.clean is None or (CLEAN, 0) not in run.columns:
        return Figures(indices, corruptions, ("Relative mCE needs the clean errors of the model and the baseline.",))
    try:
        return Figures(indices | {"relative_mce": _relative_mce(run, baseline, baseline.clean)}, corruptions)
    except InputError as error:
        return Figures(indices, corruptions, (f"There is no relative mCE: {error}.",))


def _why_no_mce(run: Resampled, corruptions: Collection[str]) -> str:
    lacking = [name for name in TEST_CORRUPTIONS if name not in corruptions]
    ran = {name for name, _ in run.columns}
    partly = [name for name in lacking if name in ran and name not in run.complete]
    severities = sorted({severity for name, severity in run.columns if name in partly})
    reasons = {
        "not run": [name for name in lacking if name not in ran],
        f"run only at severity {', '.join(map(str, severities))}": partly,
        "not in the baseline": [name for name in lacking if name in run.complete],
    }
    told = (f"{len(names)} {what}" for what, names in reasons.items() if names)
    return f"mCE needs all fifteen corruptions at five severities; {', '.join(told)}."


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
