"""The leaderboard as CSV, Markdown and LaTeX: the very strings that the page prints."""

import csv
import io
import re
from collections.abc import Callable, Sequence

from stormbench.benchmarks.leaderboard.boards import Board, Row
from stormbench.benchmarks.leaderboard.columns import COLUMNS, Column

_FACTS: dict[str, Callable[[Row], str]] = {
    "model": lambda row: row.model,
    "defense": lambda row: row.defense,
    "suite": lambda row: row.suite,
    "data": lambda row: row.data,
    "images": lambda row: str(row.images),
    "kind": lambda row: row.kind,
    "verdict": lambda row: row.verdict,
}
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&])")
_LATEX = dict.fromkeys("&%$#_{}", "") | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "–": "--",
    "…": r"\ldots{}",
}


def all_rows(boards: Sequence[Board]) -> list[Row]:
    """Every row once: board by board, then the published ones."""
    measured = [row for board in boards for row in board.rows]
    published = {(row.suite, row.model, row.source): row for board in boards for row in board.context}
    return [*measured, *published.values()]


def used_columns(rows: Sequence[Row]) -> list[Column]:
    """The columns that at least one row fills."""
    return [column for column in COLUMNS if any(column.key in row.figures for row in rows)]


def as_csv(boards: Sequence[Board]) -> str:
    """One line a row; every figure has its value and the bounds of its interval, in percent."""
    rows = all_rows(boards)
    columns = used_columns(rows)
    bounds = [f"{column.key}{part}" for column in columns for part in ("", "_low", "_high")]
    lines = [["rank_best", "rank_worst", *_FACTS, *bounds, "verified_predictions", "source"]]
    lines += [[_harmless(cell) for cell in _csv_cells(row, columns)] for row in rows]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()


def _csv_cells(row: Row, columns: Sequence[Column]) -> list[str]:
    figures = [text for column in columns for text in _with_bounds(row, column)]
    verified = str(row.verification.recomputed) if row.verification and row.verification.passed else ""
    places = [str(row.rank.best), str(row.rank.worst)] if row.rank else ["", ""]
    return [*places, *(fact(row) for fact in _FACTS.values()), *figures, verified, row.source]


def _with_bounds(row: Row, column: Column) -> list[str]:
    figure = row.figures.get(column.key)
    return [figure.text, *(figure.bounds or ("", ""))] if figure else ["", "", ""]


def _harmless(cell: str) -> str:
    is_number = re.fullmatch(r"-?[0-9.]+", cell)
    return f"'{cell}" if cell.startswith(_FORMULA) and not is_number else cell


def as_markdown(boards: Sequence[Board]) -> str:
    """A table a board, and one for the published rows."""
    parts = ["# Leaderboard", "Brackets hold the true figure in 95 of 100 cases."]
    for title, rows in _tables(boards):
        columns = used_columns(rows)
        headings = ["rank", "model", "defense", *(column.heading for column in columns), "source"]
        lines = [headings, ["---"] * len(headings), *(_cells(row, columns, _markdown) for row in rows)]
        parts += [f"## {_markdown(title)}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
    meanings = [f"- **{column.heading}**: {column.meaning}" for column in used_columns(all_rows(boards))]
    return "\n\n".join([*parts, "\n".join(meanings)]) + "\n"


def as_latex(boards: Sequence[Board]) -> str:
    """Tables for a paper, in the style of the booktabs package."""
    return "\n".join(["% needs \\usepackage{booktabs}", *(_latex_table(*table) for table in _tables(boards))])


def _latex_table(title: str, rows: Sequence[Row]) -> str:
    columns = used_columns(rows)
    headings = ["Rank", "Model", "Defense", *(column.heading for column in columns), "Source"]
    body = [" & ".join(_cells(row, columns, _latex)) + r" \\" for row in rows]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{_latex(title)}, with 95\,\% intervals.}}",
            rf"\begin{{tabular}}{{lll{'r' * len(columns)}l}}",
            r"\toprule",
            " & ".join(headings) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _tables(boards: Sequence[Board]) -> list[tuple[str, list[Row]]]:
    tables = [(board.title, board.rows) for board in boards]
    published = [row for row in all_rows(boards) if not row.run]
    return [*tables, *([("Published figures, not measured here", published)] if published else [])]


def _cells(row: Row, columns: Sequence[Column], escape: Callable[[str], str]) -> list[str]:
    figures = [str(row.figures.get(column.key, "")) for column in columns]
    return [escape(str(row.rank or "")), escape(row.model), escape(row.defense), *figures, escape(row.source)]


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _latex(text: str) -> str:
    return "".join(_LATEX[sign] or f"\\{sign}" if sign in _LATEX else sign for sign in text)
