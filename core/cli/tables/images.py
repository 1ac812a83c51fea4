"""A result as a table on the terminal."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from stormbench.benchmarks.analysis.image_summary import ImageSummary
from stormbench.cells import CLEAN
from stormbench.cli.tables.figures import print_figures


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
    print_figures(console, summary.figures)
    if result.data.skipped:
        console.print(f"{len(result.data.skipped)} broken images were left out; the result names them.")
    for note in summary.notes:
        console.print(note)
    console.print(str(path))
