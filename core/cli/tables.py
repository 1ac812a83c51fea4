"""Results as tables on the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from stormbench.benchmarks.results import CLEAN
from stormbench.benchmarks.summary import Estimate, Summary


def print_run(summary: Summary, path: Path) -> None:
    """Prints a run: a row a corruption, a column a severity, and the indices below."""
    result = summary.result
    severities = sorted({severity for name, severity in summary.errors if name != CLEAN})
    defended = f" behind {result.defense.spec}" if result.defense else ""
    scored = f"{result.suite.name}, {result.data.images} images of {result.data.name}"
    table = Table(
        "corruption",
        title=f"{result.model.source}{defended}\n{scored}",
        caption=f"top-1 error in percent; intervals hold the true figure in 95 of 100 cases\n{path}",
    )
    for heading in (*map(str, severities), "mean", *(["CE"] if summary.corruption_errors else [])):
        table.add_column(heading, justify="right")
    for name in summary.corruptions:
        cells = [summary.errors.get((name, severity)) for severity in severities]
        run = [cell.value for cell in cells if cell]
        ce = summary.corruption_errors.get(name)
        figures = [*(f"{cell.value:.1f}" if cell else "" for cell in cells), f"{sum(run) / len(run):.1f}"]
        table.add_row(name, *figures, *([f"{ce.value:.1f}"] if ce else []))
    console = Console()
    console.print(table)
    for label, estimate in _indices(summary):
        console.print(f"{label:14s}{estimate}", highlight=False)
    if result.data.skipped:
        console.print(f"{len(result.data.skipped)} broken images were left out; the result names them.")
    for note in summary.notes:
        console.print(note, highlight=False)


def print_leaderboard(summaries: Sequence[Summary]) -> None:
    """Prints one row a run, the best first."""
    caption = "percent, 95 % intervals in brackets"
    table = Table("model", "defense", "suite", "data", title="Leaderboard", caption=caption)
    for heading in ("images", "clean error", "mean error", "mCE", "relative mCE"):
        table.add_column(heading, justify="right")
    for summary in sorted(summaries, key=_order):
        result = summary.result
        figures = (summary.clean, summary.mean_error, summary.mce, summary.relative_mce)
        table.add_row(
            result.model.source,
            result.defense.spec if result.defense else "",
            result.suite.name,
            result.data.name,
            str(result.data.images),
            *(str(figure) if figure else "" for figure in figures),
        )
    Console().print(table)


def _indices(summary: Summary) -> list[tuple[str, Estimate]]:
    named = {
        "clean error": summary.clean,
        "mean error": summary.mean_error,
        "mCE": summary.mce,
        "relative mCE": summary.relative_mce,
    }
    return [(label, estimate) for label, estimate in named.items() if estimate]


def _order(summary: Summary) -> tuple[str, str, float]:
    """Runs of one suite and data set stand together; there the lowest mCE, or mean error, comes first."""
    best = summary.mce or summary.mean_error or summary.clean
    return summary.result.suite.name, summary.result.data.name, best.value if best else float("inf")
