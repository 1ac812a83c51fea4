"""From stored counts to figures: flip probabilities, top-5 distances, mFR and mT5D, each with its interval."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.analysis.baselines import ADVICE, check_suite
from stormbench.benchmarks.analysis.metrics import FIGURES
from stormbench.benchmarks.results.run import SequenceRun
from stormbench.benchmarks.results.sequences import SequenceResult, flips_and_distances
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.benchmarks.suites.sequences import SequenceSuite
from stormbench.cells import Cell
from stormbench.metrics.baselines import Baseline
from stormbench.metrics.estimates import Estimate
from stormbench.metrics.intervals import resampled_means
from stormbench.metrics.stability import TEST_PERTURBATIONS, mean_flip_rate, mean_top5_distance

Means = Mapping[str, float]


@dataclass(frozen=True)
class SequenceSummary:
    """All figures of one run on sequences, with 95 % intervals by bootstrap over the sequences.

    Attributes:
        run: what they come from.
        flip_probability: FP of each cell, percent.
        top5_distance: uT5D of each cell, 0..15; empty for models of fewer than five classes.
        mean_flip_probability: plain mean over the suite's perturbations at level 1, percent.
        mean_top5: likewise of uT5D.
        baseline: what the rest is measured against.
        flip_rate: FR of each perturbation at level 1, percent of the baseline's.
        relative_top5: T5D, likewise.
        mfr: mean flip rate over the paper's ten.
        mt5d: mean top-5 distance over the ten.
        notes: a sentence for each index that could not be computed.
        samples: ``flip_probability``, ``top5_distance``, ``mfr`` and ``mt5d``, as observed and then in resamples that
            runs on the same images share.
        by_perturbation: likewise the flip rate of each perturbation at level 1; without a baseline its flip
            probability in percent.
    """

    run: SequenceRun
    flip_probability: dict[Cell, Estimate]
    top5_distance: dict[Cell, Estimate]
    mean_flip_probability: Estimate | None = None
    mean_top5: Estimate | None = None
    baseline: Baseline | None = None
    flip_rate: dict[str, Estimate] = field(default_factory=dict)
    relative_top5: dict[str, Estimate] = field(default_factory=dict)
    mfr: Estimate | None = None
    mt5d: Estimate | None = None
    notes: tuple[str, ...] = ()
    samples: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    by_perturbation: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, Estimate]:
        """All figures of the table of metrics (``FIGURES``) that the run has, in its order."""
        return {name: Estimate.of(self.samples[name]) for name in FIGURES if name in self.samples}

    @property
    def result(self) -> SequenceResult:
        """The counts that the figures come from."""
        return self.run.result


def summarise_sequences(run: SequenceRun, baseline: Baseline | None, *, resamples: int = 1000) -> SequenceSummary:
    """Computes every figure that the run's cells allow.

    Args:
        run: on sequences.
        baseline: what to normalise by.
        resamples: number of bootstrap resamples.

    Raises:
        ResultError: the outcomes are missing or do not fit the result.
        InputError: the baseline is of another suite.
    """
    result = run.result
    if baseline:
        check_suite(baseline, result.suite.name)
    flips, distances = _sampled(run, resamples)
    ten = [name for name, level in result.keys if level == 1]
    flip_rate, mfr, note = _against(flips, baseline.flip_probability if baseline else {}, mean_flip_rate)
    relative, mt5d, _ = _against(distances, baseline.top5_distance if baseline else {}, mean_top5_distance)
    normalised = _is_normalised(result.suite.name)
    advice = ADVICE.format(suite=result.suite.name) if normalised and baseline is None else note
    indices = {"flip_probability": _plain_mean(flips, ten, 100), "top5_distance": _plain_mean(distances, ten, 1)}
    indices |= {"mfr": mfr, "mt5d": mt5d}
    samples = {name: sampled for name, sampled in indices.items() if sampled is not None}
    estimates = {name: Estimate.of(sampled) for name, sampled in samples.items()}
    return SequenceSummary(
        run,
        flip_probability={cell: Estimate.of(100 * sampled) for cell, sampled in flips.items()},
        top5_distance={cell: Estimate.of(sampled) for cell, sampled in distances.items()},
        mean_flip_probability=estimates.get("flip_probability"),
        mean_top5=estimates.get("top5_distance"),
        baseline=baseline,
        flip_rate=flip_rate,
        relative_top5=relative,
        mfr=estimates.get("mfr"),
        mt5d=estimates.get("mt5d"),
        notes=(advice,) if advice and (normalised or baseline) else (),
        samples=samples,
        by_perturbation={
            name: 100 * sampled / (baseline.flip_probability[name] if baseline else 1)
            for (name, level), sampled in flips.items()
            if level == 1 and (baseline is None or baseline.flip_probability.get(name, 0) > 0)
        },
    )


Sampled = dict[Cell, NDArray[np.float64]]


def _is_normalised(suite: str) -> bool:
    found = SUITES.get(suite)
    return isinstance(found, SequenceSuite) and found.normalised


def _sampled(run: SequenceRun, resamples: int) -> tuple[Sampled, Sampled]:
    """Flip probability and top-5 distance of each cell: as observed, then in each resample of the sequences."""
    cells = {
        key: flips_and_distances(run.outcomes.cell(run.result.cells, index), key[0])
        for index, key in enumerate(run.cells)
    }
    flips = {key: figures for key, (figures, _) in cells.items()}
    distances = {key: figures for key, (_, figures) in cells.items() if figures is not None}
    matrix = np.stack([*flips.values(), *distances.values()], axis=1)
    drawn = resampled_means(matrix, resamples=resamples, rng=np.random.default_rng(0))
    columns = list(np.concatenate([matrix.mean(axis=0)[None], drawn]).T)
    return dict(zip(flips, columns, strict=False)), dict(zip(distances, columns[len(flips) :], strict=True))


def _plain_mean(figures: Sampled, names: list[str], unit: float) -> NDArray[np.float64] | None:
    at_level_1 = [figures[name, 1] for name in names if (name, 1) in figures]
    return unit * np.mean(at_level_1, axis=0) if at_level_1 else None


def _against(
    figures: Sampled, baseline: Means, index: Callable[[Means, Means], float]
) -> tuple[dict[str, Estimate], NDArray[np.float64] | None, str]:
    ours = {name: sampled for (name, level), sampled in figures.items() if level == 1}
    rates = {
        name: Estimate.of(100 * sampled / baseline[name]) for name, sampled in ours.items() if baseline.get(name, 0) > 0
    }
    if lacking := [name for name in TEST_PERTURBATIONS if name not in rates]:
        return rates, None, f"mFR and mT5D need all ten perturbations; {len(lacking)} of them are lacking."
    resamples = len(next(iter(ours.values())))
    drawn = [index({name: float(ours[name][i]) for name in TEST_PERTURBATIONS}, baseline) for i in range(resamples)]
    return rates, np.array(drawn), ""
