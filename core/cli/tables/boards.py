"""Boards as tables on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from stormbench.benchmarks.analysis.metrics import Metric
from stormbench.benchmarks.leaderboard import Board, Row, used_columns


def print_boards(boards: Sequence[Board]) -> None:
    """Prints a table a board, the best model first."""
    console = Console(highlight=False, markup=False, emoji=False)  # names are a stranger's text
    for board in boards:
        console.print(_table(board))
    console.print("brackets hold the true figure in 95 of 100 cases; models that cannot be told apart share places")


def _table(board: Board) -> Table:
    columns = used_columns(board.rows)
    table = Table(title=board.title)
    table.add_column("rank", justify="right")
    for heading in ("model", "defense"):
        table.add_column(heading)
    for column in columns:
        table.add_column(column.heading, justify="right")
    judged = any(row.verdict for row in board.rows)
    if judged:
        table.add_column("verdict")
    for row in board.rows:
        verdict = [row.verdict.partition(":")[0]] if judged else []
        table.add_row(str(row.rank or ""), row.short_model, row.defense, *_figures(row, columns), *verdict)
    return table


def _figures(row: Row, columns: Sequence[Metric]) -> list[str]:
    figures = [row.figures.get(column.name) for column in columns]
    return [f"{figure.text}\n{figure.brackets}" if figure else "" for figure in figures]
