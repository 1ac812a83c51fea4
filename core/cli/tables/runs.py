"""Prints a run of either kind."""

from stormbench.benchmarks.analysis.sequence_summary import SequenceSummary
from stormbench.benchmarks.analysis.summary import summarise
from stormbench.benchmarks.results.run import ImageRun, SequenceRun
from stormbench.cli.tables.images import print_images
from stormbench.cli.tables.sequences import print_sequences
from stormbench.metrics.baselines import Baseline


def print_run(run: ImageRun | SequenceRun, baseline: Baseline | None = None) -> None:
    """Prints all figures of a run."""
    summary = summarise(run, baseline)
    if isinstance(summary, SequenceSummary):
        print_sequences(summary, run.path)
    else:
        print_images(summary, run.path)
