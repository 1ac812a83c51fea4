"""A result as a table on the terminal."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from stormbench.benchmarks.analysis.image_summary import ImageSummary
from stormbench.cells import CLEAN
from stormbench.metrics.estimates import Estimate

# Figures of a run: the heading, and where the summary has it.
_FIGURES: dict[str, Callable[[ImageSummary], Estimate | None]] = {
    "clean error": lambda summary: summary.clean,
    "mean error": lambda summary: summary.mean_error,
    "mCE": lambda summary: summary.mce,
    "relative mCE": lambda summary: summary.relative_mce,
}


def print_images(summary: ImageSummary, path: Path) -> None:
    """Prints a run: a row a corruption, a column a severity, and the indices below."""
    result = summary.result
    severities = sorted({severity for name, severity in summary.errors if name != CLEAN})
    table = Table("top-1 error, %")
    for heading in (*map(str, severities), "mean", *(["CE"] if summary.corruption_errors else [])):
        table.add_column(heading, justify="right")
    for name in summary.corruptions:
        cells = [summary.errors.get((name, severity)) for severity in severities]
        run = [cell.value for cell in cells if cell]
        ce = summary.corruption_errors.get(name)
        figures = [*(f"{cell.value:.1f}" if cell else "" for cell in cells), f"{sum(run) / len(run):.1f}"]
        table.add_row(name, *figures, *([f"{ce.value:.1f}"] if ce else []))
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)  # names are a stranger's text
    console.print(f"{result.model.source}{f' behind {result.defense.spec}' if result.defense else ''}")
    console.print(f"{result.suite.name}, {result.data.images} images of {result.data.name}")
    console.print(table)
    for heading, figure in _FIGURES.items():
        if estimate := figure(summary):
            console.print(f"{heading:14s}{estimate.value:5.1f} %   95 % interval {_interval(estimate)}")
    if result.data.skipped:
        console.print(f"{len(result.data.skipped)} broken images were left out; the result names them.")
    for note in summary.notes:
        console.print(note)
    console.print(str(path))


def _interval(estimate: Estimate) -> str:
    return f"[{estimate.low:.1f}, {estimate.high:.1f}]"
