"""What is drawn: for each board its charts, as Vega-Lite specifications (``charts/*.vl.json``) with their data."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import cycle, islice
from typing import Any

from stormbench.benchmarks.analysis.metrics import FIGURES, Metric
from stormbench.benchmarks.leaderboard.boards import Board, Row
from stormbench.benchmarks.leaderboard.columns import Figure, measured
from stormbench.benchmarks.leaderboard.curves import CURVE_COLUMNS, Curve
from stormbench.benchmarks.leaderboard.labels import place_labels
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.tradeoffs import Point
from stormbench.defenses.robustness.verdict import Verdict
from stormbench.metrics.estimates import Estimate

Values = list[dict[str, Any]]
CleanErrors = Mapping[tuple[str, str], Figure]

# More rows than this can be read in the table only.
_MOST_ROWS, _MOST_CURVES = 40, 8
_LABEL = 48
_SHORT_LABEL = 34
_SHORT_NAME = 12  # of published models only those are written out, the rest can be pointed at,
_FEW = 8  # unless there are few
_MARKS = 2  # the layer of the scatter plot that holds the marks
_MEASURED, _DEFENDED, _PUBLISHED = "measured", "measured, behind a defense", "published by others"
_STYLES = [
    *(("var(--hue-1)", "circle"), ("var(--hue-3)", "square"), ("var(--hue-8)", "diamond")),
    *(("var(--hue-2)", "triangle-up"), ("var(--hue-4)", "cross"), ("var(--hue-5)", "triangle-down")),
    *(("var(--hue-6)", "triangle-right"), ("var(--hue-7)", "triangle-left")),
]
# Colours and marks of lines that stand side by side, each as unlike the one before as can be.
_WELL_APART = [_STYLES[0], _STYLES[3], _STYLES[1], _STYLES[4], _STYLES[2], _STYLES[5], _STYLES[6], _STYLES[7]]
_GROUPS = dict(zip((_MEASURED, _DEFENDED, _PUBLISHED, *map(str, Verdict)), _STYLES, strict=False))


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


def board_charts(board: Board, elsewhere: CleanErrors) -> list[Chart]:
    """The charts that a board has data for.

    Args:
        board: what to draw.
        elsewhere: the clean errors of models that were measured on another board, for boards without clean images.
    """
    return [*_heat_map(board), *_severity_curves(board), *_against_clean(board, elsewhere)]


def curve_chart(curve: Curve) -> Chart:
    """The trade-off of one model: a line a width over lambda, and dedicated models as points."""
    widest = max(point.width for point in curve.tradeoff.points)
    names = [f"{point.lam:g}" if point.width == widest else "" for point in curve.points]
    points = _with_names([_trade(curve, point) for point in curve.points], names)
    caption = (
        "Each mark is the model at one lambda, from 0, trained for accuracy, to 1, trained for robustness; the further "
        "up and right, the better. Each line is a width: the share of the network's channels that is used. Strokes are "
        "95 % intervals."
    )
    if curve.tradeoff.dedicated:
        caption += " Marks without a line are models that were trained for that one lambda alone."
    chart = _chart("tradeoff", "Clean accuracy against robust accuracy", caption, 460, {"points": points}, wide=True)
    groups = list(dict.fromkeys(str(point["group"]) for point in points))
    _scale(chart.specification["encoding"]["color"], groups, [hue for hue, _ in _WELL_APART])
    _scale(chart.specification["layer"][_MARKS + 1]["encoding"]["shape"], groups, [shape for _, shape in _WELL_APART])
    return chart


def _trade(curve: Curve, point: Point) -> dict[str, Any]:
    figures = {column.key: column.figure(point) for column in CURVE_COLUMNS}
    clean, robust = figures["clean_accuracy"], figures["robust_accuracy"]
    assert clean is not None  # every point has both
    assert robust is not None
    return {
        "group": curve.kind(point),
        "line": point not in curve.tradeoff.dedicated,
        "lambda": point.lam,
        "operations": str(figures["operations"]),
        "parameters": str(figures["parameters"]),
        **_coordinate("x", clean),
        **_coordinate("y", robust),
    }


def _scale(channel: dict[str, Any], groups: Sequence[str], values: Sequence[Any]) -> None:
    channel["scale"] = {"domain": groups, "range": list(islice(cycle(values), len(groups)))}


def clean_errors(boards: Sequence[Board]) -> CleanErrors:
    """The clean error of each model: of the run with the most images, wherever it was measured."""
    rows = [row for board in boards for row in board.rows if "clean_error" in row.figures]
    return {_identity(row): row.figures["clean_error"] for row in sorted(rows, key=lambda row: row.images)}


def _heat_map(board: Board) -> Iterator[Chart]:
    rows = [row for row in board.rows if row.run and row.run.by_name][:_MOST_ROWS]
    values = [cell for row, label in zip(rows, _labels(rows), strict=True) for cell in _heat_cells(row, label)]
    if not values:
        return
    middle = (min(cell["value"] for cell in values) + max(cell["value"] for cell in values)) / 2
    cells = [cell | {"dark": cell["value"] > middle} for cell in values]
    meaning = rows[0].run.by_name_title if rows[0].run else ""
    caption = f"{meaning}. Darker is worse.{_drawn(len(rows), board)}"
    yield _chart("heat_map", "Where each model is weak", caption, 105 + 30 * len(rows), {"cells": cells}, wide=True)


def _heat_cells(row: Row, label: str) -> Iterator[dict[str, Any]]:
    for name, estimate in (row.run.by_name if row.run else {}).items():
        value = round(estimate.value, 1)
        yield {"label": label, "corruption": name.replace("_", " "), "value": value, "figure": str(estimate)}


def _severity_curves(board: Board) -> Iterator[Chart]:
    rows = [row for row in board.rows if row.run and len(row.run.curve) > 1][:_MOST_CURVES]
    curves = [
        {"label": label, "severity": severity, "figure": str(estimate), **_rounded(estimate)}
        for row, label in zip(rows, _labels(rows), strict=True)
        for severity, estimate in (row.run.curve if row.run else {}).items()
    ]
    if not curves:
        return
    caption = (
        "How the error grows as the same corruptions get stronger, averaged over all of them. "
        f"Upright strokes are 95 % intervals.{_drawn(len(rows), board)}"
    )
    yield _chart("severity_curves", "Error against severity", caption, 320 + 20 * len(rows), {"curves": curves})


def _drawn(count: int, board: Board) -> str:
    return f" The best {count} of {len(board.rows)} models are drawn." if count < len(board.rows) else ""


def _against_clean(board: Board, elsewhere: CleanErrors) -> Iterator[Chart]:
    """The board's index against the clean error; robust accuracy against clean accuracy.

    Published figures stand beside measured ones only where both are measured against the same, and else by themselves.
    """
    context = board.context if board.like_published else []
    if board.index != "clean_error":
        yield from _scatter([*board.rows, *context], board.index, elsewhere)
    if not board.like_published and board.published_index:
        yield from _scatter(board.context, board.published_index, elsewhere)


def _scatter(rows: Sequence[Row], index: str, elsewhere: CleanErrors) -> Iterator[Chart]:
    points = _points(rows, index, elsewhere)
    if len(points) < 2:
        return
    column = FIGURES[index]
    groups = sorted({point["group"] for point in points}, key=lambda group: (group not in _GROUPS, group))
    clean = "clean accuracy" if column.higher_is_better else "clean error"
    title = f"{clean.capitalize()} against {column.title.partition(' (')[0]}"
    title += ", as published" if groups == [_PUBLISHED] else ""
    caption = _scatter_caption(column, groups)
    if any(row.run and "clean_error" not in row.figures for row in rows):
        caption += " The clean errors are of another run of the same weights."
    chart = _chart("scatter", title, caption, 460, {"points": points})
    encoding = chart.specification["encoding"]
    encoding["x"]["title"], encoding["y"]["title"] = f"{clean} (%)", column.title
    marked = chart.specification["layer"][_MARKS]["encoding"]
    styles = _styles(groups)
    for channel, at in ((encoding["color"], 0), (marked["shape"], 1)):
        channel["scale"] = {"domain": groups, "range": [style[at] for style in styles]}
    chart.specification["layer"] = [layer for layer in chart.specification["layer"] if not _is_empty(layer, points)]
    yield chart


def _is_empty(layer: Mapping[str, Any], points: Values) -> bool:
    """Whether a layer draws intervals, and no point has any: an empty group of marks is nothing to a screen reader."""
    axis = "y" if "y" in layer["encoding"] else "x"
    return layer["mark"]["type"] == "rule" and not any(f"{axis}_low" in point for point in points)


def _scatter_caption(column: Metric, groups: Sequence[str]) -> str:
    better, left = ("up", "right") if column.higher_is_better else ("down", "left")
    caption = (
        f"Each mark is a model; the further {better}, the better it holds up, the further {left}, the better it is to "
        "begin with."
    )
    if groups == [_PUBLISHED]:
        return f"{caption} All of them were measured by others, against AlexNet; none has an interval."
    context = " Published models were measured by others on other images: read them as context."
    return f"{caption} Strokes are 95 % intervals.{context if _PUBLISHED in groups else ''}"


def _styles(groups: Sequence[str]) -> list[tuple[str, str]]:
    """Colour and shape of each group: known ones always look the same, others take what is left."""
    free = cycle(style for style in _STYLES if style not in _GROUPS.values())
    return [_GROUPS[group] if group in _GROUPS else next(free) for group in groups]


def _points(rows: Sequence[Row], index: str, elsewhere: CleanErrors) -> Values:
    cleans = [row.figures.get("clean_error") or elsewhere.get(_identity(row)) for row in rows]
    drawn = [(row, clean) for row, clean in zip(rows, cleans, strict=True) if clean and index in row.figures]
    labels = [shown(row.short, longest=_LABEL) for row, _ in drawn]
    few = len(drawn) <= _FEW
    # One name is written once: two sources may have published the same model.
    named = {
        label: at
        for at, (row, label) in enumerate(zip((row for row, _ in drawn), labels, strict=True))
        if few or _is_written(row)
    }
    names = [shown(label, longest=_SHORT_LABEL) if named.get(label) == at else "" for at, label in enumerate(labels)]
    points = [_point(row, clean, index, label) for (row, clean), label in zip(drawn, labels, strict=True)]
    return _with_names(points, names)


def _with_names(points: Values, names: Sequence[str]) -> Values:
    labels = place_labels(points, names)
    return [
        point | {"short": label.text, "align": label.align, "dx": label.dx, "dy": label.dy}
        for point, label in zip(points, labels, strict=True)
    ]


def _point(row: Row, clean: Figure, index: str, label: str) -> dict[str, Any]:
    return {
        "label": label,
        "group": _group(row),
        "remark": row.verdict or row.source or f"{row.images:,} images",
        **_coordinate("x", _accuracy(clean) if FIGURES[index].higher_is_better else clean),
        **_coordinate("y", row.figures[index]),
    }


def _is_written(row: Row) -> bool:
    return row.run is not None or len(row.model) <= _SHORT_NAME


def _identity(row: Row) -> tuple[str, str]:
    return (row.run.result.model.digest if row.run else "", row.defense)


def _accuracy(error: Figure) -> Figure:
    estimate = Estimate(*(100 - value for value in error.interval)) if error.interval else None
    if estimate is None:
        return error
    return measured("robust_accuracy", Estimate(estimate.value, estimate.high, estimate.low))


def _group(row: Row) -> str:
    if not row.run:
        return _PUBLISHED
    if row.run.verdict:
        return shown(row.run.verdict.partition(":")[0], longest=40)
    return _DEFENDED if row.defense else _MEASURED


def _coordinate(axis: str, figure: Figure) -> dict[str, Any]:
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
