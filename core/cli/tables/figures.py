"""Prints the figures of a run, a line each, from the table of metrics."""

from collections.abc import Mapping

from rich.console import Console

from stormbench.benchmarks.analysis.metrics import FIGURES
from stormbench.metrics.estimates import Estimate


def print_figures(console: Console, figures: Mapping[str, Estimate]) -> None:
    """Prints each figure with its 95 % confidence interval."""
    width = max((len(FIGURES[name].heading) for name in figures), default=0) + 2
    for name, estimate in figures.items():
        metric = FIGURES[name]
        value, low, high = (f"{number:.{metric.digits}f}" for number in estimate)
        unit = f" {metric.unit}" if metric.unit else ""
        console.print(f"{metric.heading:{width}s}{value:>6s}{unit}   95 % interval [{low}, {high}]")
