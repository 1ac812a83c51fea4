"""The leaderboard as CSV, Markdown and LaTeX: the very strings that the page prints."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from stormbench.benchmarks.analysis.metrics import METRICS, Metric
from stormbench.benchmarks.leaderboard.boards import Board, Row
from stormbench.benchmarks.leaderboard.columns import Figure
from stormbench.benchmarks.leaderboard.curves import CURVE_COLUMNS, Curve
from stormbench.benchmarks.results.plain_text import shown

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
_INNER_FORMULA = re.compile(r"([;,|\t\n\r]\s*\"*)([=+\-@])")
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

Escape = Callable[[str], str]


class Table(NamedTuple):
    """A table of the Markdown and the LaTeX; its cells are escaped, its title is not."""

    title: str
    headings: list[str]
    alignment: str
    lines: list[list[str]]


def all_rows(boards: Sequence[Board]) -> list[Row]:
    """Every row once: board by board, then the published ones."""
    measured = [row for board in boards for row in board.rows]
    published = {(row.suite, row.model, row.source): row for board in boards for row in board.context}
    return [*measured, *published.values()]


def used_columns(rows: Sequence[Row]) -> list[Metric]:
    """The columns that at least one row fills."""
    return [column for column in METRICS if any(column.name in row.figures for row in rows)]


def as_csv(boards: Sequence[Board]) -> str:
    """One line a row; every figure has its value and the bounds of its interval, in percent."""
    rows = all_rows(boards)
    columns = used_columns(rows)
    bounds = [f"{column.name}{part}" for column in columns for part in ("", "_low", "_high")]
    lines = [["rank_best", "rank_worst", *_FACTS, *bounds, "verified_predictions", "source"]]
    lines += [[_harmless(cell) for cell in _csv_cells(row, columns)] for row in rows]
    return _csv(lines)


def _csv(lines: Sequence[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()


def _csv_cells(row: Row, columns: Sequence[Metric]) -> list[str]:
    figures = [text for column in columns for text in _with_bounds(row, column)]
    verified = str(row.verification.recomputed) if row.verification and row.verification.passed else ""
    places = [str(row.rank.best), str(row.rank.worst)] if row.rank else ["", ""]
    return [*places, *(fact(row) for fact in _FACTS.values()), *figures, verified, row.source]


def _with_bounds(row: Row, column: Metric) -> list[str]:
    return _three(row.figures.get(column.name))


def _three(figure: Figure | None) -> list[str]:
    return [figure.text, *(figure.bounds or ("", ""))] if figure else ["", "", ""]


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula, whichever sign it takes for the end of a cell."""
    if re.fullmatch(r"-?[0-9.]+", cell):
        return cell
    return _INNER_FORMULA.sub(r"\1'\2", f"'{cell}" if cell.startswith(_FORMULA) else cell)


def curves_as_csv(curves: Sequence[Curve]) -> str:
    """One line a point of a trade-off curve."""
    bounds = [f"{column.key}{part}" for column in CURVE_COLUMNS for part in ("", "_low", "_high")]
    lines = [["curve", "model", "line", "lambda", "width", *bounds]]
    for curve in curves:
        for point in curve.points:
            figures = [text for column in CURVE_COLUMNS for text in _three(column.figure(point))]
            facts = [curve.name, shown(point.model), curve.kind(point), f"{point.lam:g}", f"{point.width:g}"]
            lines.append([_harmless(cell) for cell in (*facts, *figures)])
    return _csv(lines)


def as_markdown(boards: Sequence[Board], curves: Sequence[Curve] = ()) -> str:
    """A table a board, one for the published rows, and one a trade-off curve."""
    parts = ["# Leaderboard", "Brackets hold the true figure in 95 of 100 cases."]
    for title, headings, _, lines in _tables(boards, curves, _markdown):
        table = [headings, ["---"] * len(headings), *lines]
        parts += [f"## {_markdown(title)}", "\n".join(f"| {' | '.join(line)} |" for line in table)]
    meanings = [f"- **{column.heading}**: {column.meaning}" for column in used_columns(all_rows(boards))]
    meanings += [f"- **{column.heading}** (trade-off): {column.meaning}" for column in CURVE_COLUMNS if curves]
    return "\n\n".join([*parts, "\n".join(meanings)]) + "\n"


def as_latex(boards: Sequence[Board], curves: Sequence[Curve] = ()) -> str:
    """Tables for a paper, in the style of the booktabs package."""
    tables = [_latex_table(*table) for table in _tables(boards, curves, _latex)]
    return "\n".join(["% needs \\usepackage{booktabs}", *tables])


def _latex_table(title: str, headings: Sequence[str], alignment: str, lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{_latex(title)}, with 95\,\% intervals.}}",
            rf"\begin{{tabular}}{{{alignment}}}",
            r"\toprule",
            " & ".join(headings) + r" \\",
            r"\midrule",
            *(" & ".join(line) + r" \\" for line in lines),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _tables(boards: Sequence[Board], curves: Sequence[Curve], escape: Escape) -> Iterator[Table]:
    for board in boards:
        yield _table(board.title, board.rows, escape)
    if published := [row for row in all_rows(boards) if not row.run]:
        yield _table("Published figures, not measured here", published, escape)
    for curve in curves:
        yield _curve_table(curve, escape)


def _table(title: str, rows: Sequence[Row], escape: Escape) -> Table:
    columns = used_columns(rows)
    headings = ["Rank", "Model", "Defense", *(column.heading for column in columns), "Source"]
    return Table(title, headings, f"lll{'r' * len(columns)}l", [_cells(row, columns, escape) for row in rows])


def _curve_table(curve: Curve, escape: Escape) -> Table:
    headings = ["Line", "Lambda", *(column.heading for column in CURVE_COLUMNS)]
    lines = [
        [escape(curve.kind(point)), f"{point.lam:g}", *(str(column.figure(point) or "") for column in CURVE_COLUMNS)]
        for point in curve.points
    ]
    return Table(curve.title, headings, "l" + "r" * (len(headings) - 1), lines)


def _cells(row: Row, columns: Sequence[Metric], escape: Escape) -> list[str]:
    figures = [str(row.figures.get(column.name, "")) for column in columns]
    return [escape(str(row.rank or "")), escape(row.model), escape(row.defense), *figures, escape(row.source)]


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _latex(text: str) -> str:
    return "".join(_LATEX[sign] or f"\\{sign}" if sign in _LATEX else sign for sign in text)
