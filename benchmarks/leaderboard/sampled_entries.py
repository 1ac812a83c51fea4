"""Figures of runs with a chosen precision for the leaderboard, where they have boards of their own."""

from stormbench.benchmarks.analysis.sample_summary import summarise_sample
from stormbench.benchmarks.leaderboard.columns import Figure, measured
from stormbench.benchmarks.results.samples import Sample
from stormbench.metrics.estimates import Estimate

MARK = "with a chosen precision"


def sampled_figures(sample: Sample) -> tuple[dict[str, Figure], dict[str, Estimate], str]:
    """The figures of a run with a chosen precision, those of its corruptions, and a note on what they are.

    The deciding figure has its anytime interval: a board is looked at whenever a run is added, and ranks rest on
    intervals that lie apart. Figures of corruptions have intervals for one look.
    """
    summary = summarise_sample(sample)
    found = summary.estimate
    anytime = Estimate(found.value, found.value - found.anytime_half_width, found.value + found.anytime_half_width)
    figures = {
        summary.figure: measured(summary.figure, anytime),
        "clean_error": measured("clean_error", summary.clean),
    }
    note = f"One cell an image, in blocks: {summary.conclusion}. The board shows and ranks by the wider interval."
    return figures, summary.corruptions, note
