"""What is drawn: for each board its charts, as Vega-Lite specifications (``charts/*.vl.json``) with their data."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from stormbench.benchmarks.compare import INDEX_NAMES
from stormbench.benchmarks.leaderboard.boards import Board, Row
from stormbench.benchmarks.plain_text import shown
from stormbench.benchmarks.summary import Estimate

Values = list[dict[str, Any]]

# More rows than this can be read in the table only.
_MOST_ROWS, _MOST_CURVES, _MOST_NAMES = 40, 8, 24
_LABEL = 48
_NAMES = {"mfr": "mFR", **INDEX_NAMES}


@dataclass(frozen=True)
class Chart:
    """One figure of the page.

    Attributes:
        title: what stands above it.
        caption: what it shows, for somebody who sees such a figure for the first time.
        height: in CSS pixels; the page keeps this place free before the chart is drawn.
        wide: must not be narrowed to a phone's width, but scrolled.
        specification: Vega-Lite, with its data.
    """

    title: str
    caption: str
    height: int
    wide: bool
    specification: dict[str, Any]


def board_charts(board: Board) -> list[Chart]:
    """The charts that a board has data for."""
    return [chart for draw in (_heat_map, _severity_curves, _against_clean_error) for chart in draw(board)]


def _heat_map(board: Board) -> Iterator[Chart]:
    rows = board.rows[:_MOST_ROWS]
    normalised = any(row.summary and row.summary.corruption_errors for row in rows)
    values = [cell for row, label in zip(rows, _labels(rows), strict=True) for cell in _heat_cells(row, label)]
    if not values:
        return
    middle = (min(cell["value"] for cell in values) + max(cell["value"] for cell in values)) / 2
    cells = [cell | {"dark": cell["value"] > middle} for cell in values]
    what = "CE by corruption" if normalised else "Mean error by corruption"
    meaning = (
        "CE is the model's error summed over the five severities, divided by AlexNet's: 100 is as bad as AlexNet."
        if normalised
        else "Each field is the error in percent, averaged over the five severities."
    )
    more = f" The best {_MOST_ROWS} of {len(board.rows)} models are drawn." if len(board.rows) > _MOST_ROWS else ""
    height = 100 + 30 * len({cell["label"] for cell in cells})
    yield _chart("heat_map", what, f"{meaning} Darker is worse.{more}", height, {"cells": cells}, wide=True)


def _heat_cells(row: Row, label: str) -> Iterator[dict[str, Any]]:
    if row.summary:
        for name, estimate in (row.summary.corruption_errors or row.summary.corruption_means).items():
            yield {
                "label": label,
                "corruption": name.replace("_", " "),
                "value": round(estimate.value, 1),
                "figure": str(estimate),
            }


def _severity_curves(board: Board) -> Iterator[Chart]:
    rows = board.rows[:_MOST_CURVES]
    curves = [
        {"label": label, "severity": severity, "figure": str(estimate), **_rounded(estimate)}
        for row, label in zip(rows, _labels(rows), strict=True)
        if row.summary
        for severity, estimate in row.summary.severity_means.items()
    ]
    if not curves:
        return
    more = f" The best {_MOST_CURVES} of {len(board.rows)} models are drawn." if len(board.rows) > _MOST_CURVES else ""
    caption = (
        "How the error grows as the same corruptions get stronger, averaged over all of them; "
        f"the upright strokes are 95 % intervals.{more}"
    )
    yield _chart("severity_curves", "Error against severity", caption, 320 + 20 * len(rows), {"curves": curves})


def _against_clean_error(board: Board) -> Iterator[Chart]:
    rows = [*board.rows, *board.context]
    for key in (board.index, "mfr"):
        points = _points(rows, "clean_error", key) if key != "clean_error" else []
        if len(points) < 2:
            continue
        caption = (
            "Each mark is a model; the further down, the better it holds up, the further left, the better it is to "
            "begin with. Strokes are 95 % intervals."
        )
        if any(row.published for row in rows if key in row.figures):
            caption += " Published models were measured by others on other images: read them as context."
        title = f"Clean error against {_NAMES[key]}"
        specification = _chart("scatter", title, caption, 460, {"points": points})
        encoding = specification.specification["encoding"]
        encoding["x"]["title"], encoding["y"]["title"] = "clean error (%)", f"{_NAMES[key]} (%)"
        yield specification


def _points(rows: Sequence[Row], x: str, y: str) -> Values:
    drawn = [row for row in rows if x in row.figures and y in row.figures]
    named = len(drawn) <= _MOST_NAMES
    return [
        {
            "label": label,
            "short": shown(label, longest=26) if named else "",
            "group": _group(row),
            "remark": row.source or f"{row.images:,} images",
            **_coordinate("x", row, x),
            **_coordinate("y", row, y),
        }
        for row, label in zip(drawn, _labels(drawn), strict=True)
    ]


def _group(row: Row) -> str:
    if row.published:
        return "published by others"
    return "measured, behind a defense" if row.defense else "measured"


def _coordinate(axis: str, row: Row, key: str) -> dict[str, Any]:
    figure = row.figures[key]
    bounds = {f"{axis}_low": figure.interval.low, f"{axis}_high": figure.interval.high} if figure.interval else {}
    return {axis: figure.value, f"{axis}_figure": str(figure), **bounds}


def _labels(rows: Sequence[Row]) -> list[str]:
    """Short names, each of them once: two models of one name must not be drawn as one."""
    labels: list[str] = []
    for row in rows:
        short = shown(row.short, longest=_LABEL)
        labels.append(short if short not in labels else f"{short} ({len(labels) + 1})")
    return labels


def _rounded(estimate: Estimate) -> dict[str, float]:
    return {name: round(value, 2) for name, value in estimate._asdict().items()}


def _chart(name: str, title: str, caption: str, height: int, data: dict[str, Values], *, wide: bool = False) -> Chart:
    specification = _read(f"{name}.vl.json") | {
        "description": f"{title}. {caption}",
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "config": _read("config.json"),
        "datasets": data,
    }
    return Chart(title, caption, height, wide, specification)


def _read(name: str) -> dict[str, Any]:
    specification: dict[str, Any] = json.loads(files(__package__).joinpath("charts", name).read_text())
    return specification
