"""A run on sequences as a table on the terminal."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from stormbench.benchmarks.analysis.sequence_summary import SequenceSummary
from stormbench.cli.tables.figures import print_figures


def print_sequences(summary: SequenceSummary, path: Path) -> None:
    """Prints a run: a row a perturbation, and the indices below."""
    result = summary.result
    with_baseline, with_top5 = bool(summary.flip_rate), bool(summary.top5_distance)
    headings = ["FP, %", *(["FR"] if with_baseline else []), *(["uT5D"] if with_top5 else [])]
    table = Table("perturbation", "level", *headings, *(["T5D"] if with_baseline and with_top5 else []))
    normalised = summary.flip_rate, summary.relative_top5  # of level 1
    for cell, flips in summary.flip_probability.items():
        name, level = cell
        row = [name, str(level), f"{flips.value:.2f} [{flips.low:.2f}, {flips.high:.2f}]"]
        rate, relative = (figures.get(name) if level == 1 else None for figures in normalised)
        row += [f"{rate.value:.1f}" if rate else ""] if with_baseline else []
        row += [f"{summary.top5_distance[cell].value:.2f}"] if with_top5 else []
        row += [f"{relative.value:.1f}" if relative else ""] if with_baseline and with_top5 else []
        table.add_row(*row)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{result.model.source}{f' behind {result.defense.spec}' if result.defense else ''}")
    console.print(f"{result.suite.name}, {result.data.images} images of {result.data.name}")
    console.print(table)
    print_figures(console, summary.figures)
    if summary.baseline:
        console.print(f"FR, T5D, mFR and mT5D are in percent of {summary.baseline.name}'s ({summary.baseline.source})")
    for note in summary.notes:
        console.print(note)
    console.print(str(path))
