"""A run as a table for notebooks."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from stormbench.benchmarks.analysis.metrics import FIGURES
from stormbench.benchmarks.analysis.names import model_name
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.settings import Settings
from stormbench.metrics.estimates import Estimate


def html_table(result: Settings, rows: Sequence[Mapping[str, Any]], figures: Mapping[str, Estimate]) -> str:
    """The figures of a run, and a row a corruption or perturbation with a column a severity or level.

    Args:
        result: names what was run.
        rows: one a cell; the first two entries name it, ``error`` or ``flip_probability`` is shown in percent.
        figures: of the whole run.
    """
    name, level, *_ = rows[0]
    figure = "error" if "error" in rows[0] else "flip_probability"
    levels = sorted({row[level] for row in rows})
    cells: dict[str, dict[int, str]] = {}
    for row in rows:
        bounds = f'title="[{row["low"]:.1f}, {row["high"]:.1f}]"'
        cells.setdefault(row[name], {})[row[level]] = f"<td {bounds}>{row[figure]:.1f}</td>"
    head = "".join(f"<th>{escape(str(text))}</th>" for text in (f"{figure.replace('_', ' ')}, %", *levels))
    body = (
        f"<tr><th>{escape(shown(key))}</th>{''.join(found.get(at, '<td></td>') for at in levels)}</tr>"
        for key, found in cells.items()
    )
    return f"<div><p>{_caption(result, figures)}</p>{_table(head, body)}</div>"


def _table(head: str, body: Iterable[str]) -> str:
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _caption(result: Settings, figures: Mapping[str, Estimate]) -> str:
    what = (
        f"{model_name(result)}: {shown(result.suite.name)}, {result.data.images:,} images of {shown(result.data.name)}"
    )
    told = [f"{FIGURES[name].title} {estimate}" for name, estimate in figures.items()]
    return "<br>".join(escape(line) for line in (what, *told))
