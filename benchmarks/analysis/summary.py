"""Computes all figures of a stored run, on images or on sequences."""

from collections.abc import Sequence
from dataclasses import replace

from stormbench.benchmarks.analysis.figures import Figures, sampled_figures
from stormbench.benchmarks.analysis.image_summary import ImageSummary, summarise_images
from stormbench.benchmarks.analysis.metrics import image_means
from stormbench.benchmarks.analysis.resampling import Resampled
from stormbench.benchmarks.analysis.sequence_summary import SequenceSummary, summarise_sequences
from stormbench.benchmarks.results.run import ImageRun, SequenceRun
from stormbench.cells import Cell
from stormbench.metrics.baselines import Baseline


def summarise(
    run: ImageRun | SequenceRun, baseline: Baseline | None = None, *, resamples: int = 1000
) -> ImageSummary | SequenceSummary:
    """Computes every figure that the run's cells allow, with 95 % confidence intervals.

    Args:
        run: on images or on sequences.
        baseline: what to normalise by; None reports plain means.
        resamples: number of bootstrap resamples.

    Raises:
        ResultError: the outcomes are missing or do not fit the result.
        InputError: the baseline is of another suite.
    """
    if isinstance(run, SequenceRun):
        return summarise_sequences(run, baseline, resamples=resamples)
    return summarise_images(run, baseline, resamples=resamples)


def figures_of(
    run: ImageRun | SequenceRun, cells: Sequence[Cell], baseline: Baseline | None, resamples: int
) -> Figures:
    """All figures of a run on some of its cells, as observed and in resamples that runs on the same images share."""
    if isinstance(run, SequenceRun):
        summary = summarise_sequences(run, baseline, resamples=resamples)
        return Figures(dict(summary.samples), dict(summary.by_perturbation), summary.notes)
    resampled = Resampled.of(run, resamples).only(cells)
    found = sampled_figures(resampled, baseline)
    return replace(found, indices=found.indices | image_means(run.outcomes, resampled.columns, resamples))
