"""Results as tables on the terminal."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from stormbench.benchmarks.results import CLEAN
from stormbench.benchmarks.summary import Estimate, Summary

# Figures of a run: the heading, and where the summary has it.
_FIGURES: dict[str, Callable[[Summary], Estimate | None]] = {
    "clean error": lambda summary: summary.clean,
    "mean error": lambda summary: summary.mean_error,
    "mCE": lambda summary: summary.mce,
    "relative mCE": lambda summary: summary.relative_mce,
}
_FACTS: dict[str, Callable[[Summary], str]] = {
    "model": lambda summary: summary.result.model.source.rpartition(":")[2],
    "defense": lambda summary: summary.result.defense.spec if summary.result.defense else "",
    "suite": lambda summary: summary.result.suite.name,
    "data": lambda summary: summary.result.data.name,
    "images": lambda summary: str(summary.result.data.images),
}


def print_run(summary: Summary, path: Path) -> None:
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
    console = Console(highlight=False, soft_wrap=True)
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


def print_leaderboard(summaries: Sequence[Summary]) -> None:
    """Prints one row a run, the best first; columns that no run fills are left out."""
    ordered = sorted(summaries, key=_order)
    table = Table(title="Leaderboard", caption="in percent; brackets hold the true figure in 95 of 100 cases")
    facts = {heading: [fact(summary) for summary in ordered] for heading, fact in _FACTS.items()}
    figures = {heading: [_with_interval(figure(s)) for s in ordered] for heading, figure in _FIGURES.items()}
    columns = {heading: column for heading, column in (facts | figures).items() if any(column)}
    for heading in columns:
        table.add_column(heading, justify="left" if heading in _FACTS and heading != "images" else "right")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    Console().print(table)


def _interval(estimate: Estimate) -> str:
    return f"[{estimate.low:.1f}, {estimate.high:.1f}]"


def _with_interval(estimate: Estimate | None) -> str:
    return f"{estimate.value:.1f}\n{_interval(estimate)}" if estimate else ""


def _order(summary: Summary) -> tuple[str, str, float]:
    """Runs of one suite and data set stand together; there the lowest mCE, or mean error, comes first."""
    best = summary.mce or summary.mean_error or summary.clean
    return summary.result.suite.name, summary.result.data.name, best.value if best else float("inf")
