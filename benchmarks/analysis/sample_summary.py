"""Computes the figures of a run with a chosen precision, each with its interval."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.analysis.baselines import suite_baseline
from stormbench.benchmarks.analysis.resampling import complete_corruptions
from stormbench.benchmarks.results.samples import Sample
from stormbench.benchmarks.suites.weights import FIGURE_NAMES, Figure, weighting
from stormbench.cells import SEVERITIES
from stormbench.metrics.baselines import Baseline
from stormbench.metrics.corruption import TEST_CORRUPTIONS
from stormbench.metrics.estimates import Estimate
from stormbench.metrics.intervals import wilson
from stormbench.metrics.sequential import SequentialEstimate, sequential_estimate, smoothed_variances

_TWO_SIDED_95 = 1.959963984540054


@dataclass(frozen=True)
class SampleSummary:
    """All figures of one run with a chosen precision, in percent.

    Attributes:
        sample: what they come from.
        figure: which figure the run was to know precisely.
        estimate: that figure, with its intervals.
        top5_error: plain mean of the top-5 errors, with its intervals.
        clean: top-1 error on the clean images that were shown, Wilson interval.
        corruptions: CE by corruption, or the mean error over its severities where the figure is a mean error, for
            corruptions of which all five severities were run. They rest on a fifteenth of the passes each.
        relative_mce: with its interval; None where the figure is a mean error. It is far less certain than mCE.
    """

    sample: Sample
    figure: Figure
    estimate: SequentialEstimate
    top5_error: SequentialEstimate
    clean: Estimate
    corruptions: dict[str, Estimate]
    relative_mce: Estimate | None

    @property
    def conclusion(self) -> str:
        """The figure in one line: its interval, how many passes it took, and the interval for those who keep looking.

        It looks like ``mCE 76.2, 95 % interval 75.7 to 76.7, 49,400 of 3,750,000 passes; if you keep looking: ...``.
        """
        found, result = self.estimate, self.sample.result
        of = result.data.images * len(result.cells)
        said = f"{FIGURE_NAMES[self.figure]} {found.value:.1f}"
        if not found.half_width:
            return f"{said}, all of the {of:,} passes: nothing is left to chance but the choice of the images"
        return (
            f"{said}, 95 % interval {_range(found.value, found.half_width)}, {found.passes:,} of {of:,} passes; "
            f"if you keep looking: {_range(found.value, found.anytime_half_width)}"
        )


def _range(value: float, half_width: float) -> str:
    return f"{max(0.0, value - half_width):.1f} to {value + half_width:.1f}"


def summarise_sample(sample: Sample) -> SampleSummary:
    """Computes every figure of a run with a chosen precision."""
    result, shown = sample.result, sample.shown
    cells, images = result.keys, result.data.images
    weighed = weighting(result.suite.name, cells)
    wrong, wrong_top5 = sample.wrong(), sample.wrong(5)
    low, high = wilson(result.clean.wrong, result.clean.images)
    baseline = suite_baseline(result.suite.name) if weighed.figure == "mce" else None
    return SampleSummary(
        sample=sample,
        figure=weighed.figure,
        estimate=sequential_estimate(wrong, shown, weighed.weights, images),
        top5_error=sequential_estimate(wrong_top5, shown, np.full(len(cells), 100 / len(cells)), images),
        clean=Estimate(100 * result.clean.error, 100 * low, 100 * high),
        corruptions=_by_corruption(sample, wrong, baseline),
        relative_mce=_relative_mce(sample, wrong, baseline) if baseline else None,
    )


def _by_corruption(sample: Sample, wrong: NDArray[np.bool_], baseline: Baseline | None) -> dict[str, Estimate]:
    cells = sample.result.keys
    found = {}
    for name in complete_corruptions(cells):
        of = float(np.mean(baseline.errors[name])) if baseline else 1.0
        weights = np.array([100 / (len(SEVERITIES) * of) * (corruption == name) for corruption, _ in cells])
        found[name] = _weighted(weights, wrong, sample.result.data.images)
    return found


def _relative_mce(sample: Sample, wrong: NDArray[np.bool_], baseline: Baseline) -> Estimate | None:
    """Linear in the errors; that clean and corrupted outcomes on one image correlate is not used: too wide at most."""
    if baseline.clean is None:
        return None
    loss: Mapping[str, float] = {
        name: float(np.mean(baseline.errors[name])) - baseline.clean for name in TEST_CORRUPTIONS
    }
    weights = np.array([100 / (15 * len(SEVERITIES) * loss[corruption]) for corruption, _ in sample.result.keys])
    corrupted = _weighted(weights, wrong, sample.result.data.images)
    clean, images = sample.result.clean, sample.result.data.images
    of_clean = float(smoothed_variances(np.array(clean.wrong), np.array(clean.wrong), clean.images))
    spread = weights.sum() ** 2 * of_clean / clean.images * (1 - clean.images / images)
    half_width = ((corrupted.high - corrupted.value) ** 2 + _TWO_SIDED_95**2 * spread) ** 0.5
    value = corrupted.value - float(weights.sum()) * clean.error
    return Estimate(value, value - half_width, value + half_width)


def _weighted(weights: NDArray[np.float64], wrong: NDArray[np.bool_], images: int) -> Estimate:
    """A weighted sum of cells' errors and its interval for the full run on these images.

    Each cell saw a simple random sample of the images, of which the share that was not drawn is uncertain.
    """
    sums, blocks = wrong.sum(axis=0), len(wrong)
    variance = float(weights**2 @ smoothed_variances(sums, sums, blocks)) / blocks * (1 - blocks / images)
    value, half_width = float(weights @ sums) / blocks, _TWO_SIDED_95 * variance**0.5
    return Estimate(value, value - half_width, value + half_width)
