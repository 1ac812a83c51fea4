"""A result as a table on the terminal."""

from math import inf
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

from stormbench.benchmarks.analysis.image_summary import ImageSummary
from stormbench.cells import CLEAN, SEVERITIES
from stormbench.cli.tables.figures import print_figures
from stormbench.metrics.failure import failure_point


def print_images(summary: ImageSummary, path: Path) -> None:
    """Prints a run: a row a corruption, a column a severity, and the indices below."""
    result = summary.result
    severities = sorted({severity for name, severity in summary.errors if name != CLEAN})
    table = Table(Column("top-1 error, %", overflow="fold"))
    halves = halved_at(summary)
    headings = [*(["CE"] if summary.corruption_errors else []), *(["halved at"] if halves else [])]
    for heading in (*map(str, severities), "mean", *headings):
        table.add_column(heading, justify="right")
    for name in summary.corruptions:
        cells = [summary.errors.get((name, severity)) for severity in severities]
        run = [cell.value for cell in cells if cell]
        ce = summary.corruption_errors.get(name)
        figures = [*(f"{cell.value:.1f}" if cell else "" for cell in cells), f"{sum(run) / len(run):.1f}"]
        table.add_row(name, *figures, *([f"{ce.value:.1f}"] if ce else []), *([halves[name]] if halves else []))
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)  # names are a stranger's text
    console.print(f"{result.model.source}{f' behind {result.defense.spec}' if result.defense else ''}")
    console.print(f"{result.suite.name}, {result.data.images} images of {result.data.name}")
    if not console.is_terminal:  # in a file or a pipe no name is broken, however long
        whole = console.options.update(max_width=1000)
        console.width = max(console.width, Measurement.get(console, whole, table).maximum)
    console.print(table)
    print_figures(console, summary.figures)
    if result.data.skipped:
        console.print(f"{len(result.data.skipped)} broken images were left out; the result names them.")
    for note in summary.notes:
        console.print(note)
    console.print(str(path))


def halved_at(summary: ImageSummary) -> dict[str, str]:
    """The severity at which the accuracy under each corruption has halved; nothing unless all of it was scored."""
    if summary.clean is None or set(summary.corruption_means) != set(summary.corruptions):
        return {}
    curves = [
        [1 - summary.errors[cell].value / 100 for cell in ((CLEAN, 0), *((name, at) for at in SEVERITIES))]
        for name in summary.corruptions
    ]
    points = failure_point((0, *SEVERITIES), np.reshape(curves, (-1, 1 + len(SEVERITIES))))
    return {
        name: f"{point:.1f}" if point < inf else f">{SEVERITIES[-1]}"
        for name, point in zip(summary.corruptions, points, strict=True)
    }
