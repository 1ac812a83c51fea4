"""Runs as rows: which can be ranked against each other, which places they hold, and what a reader should beware of."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from stormbench.benchmarks.compare import INDEX_NAMES, pixel_settings
from stormbench.benchmarks.leaderboard.columns import COLUMNS
from stormbench.benchmarks.names import short_name
from stormbench.benchmarks.plain_text import shown
from stormbench.benchmarks.resampling import Sampled
from stormbench.benchmarks.results import Result
from stormbench.benchmarks.summary import Estimate, Summary
from stormbench.benchmarks.verification_records import Verification, read_verification
from stormbench.metrics.baselines import PublishedRow, published_rows

_SURE = 0.975  # share of the resamples in which one model must be ahead: the two-sided 95 % interval excludes 0
PUBLISHED_SUITE = "imagenet-c"
Key = TypeVar("Key")


class Rank(NamedTuple):
    """The places that a model may hold: those that the data do not rule out."""

    best: int
    worst: int

    def __str__(self) -> str:
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


class Figure(NamedTuple):
    """A figure in percent as it is printed everywhere; a published one has no interval."""

    text: str
    value: float
    interval: Estimate | None = None

    @property
    def brackets(self) -> str:
        """The interval, or nothing."""
        return self.interval.brackets if self.interval else ""

    def __str__(self) -> str:
        return f"{self.text} {self.brackets}".rstrip()


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    Attributes:
        model: the model's name.
        defense: what stands before it, or nothing.
        suite: what was scored.
        data: on which images.
        images: how many; None where the source of a published row does not say.
        figures: by the key of their column.
        source: who published the row; empty for measured ones.
        rank: the places it may hold among the runs on the same pixels; None for published rows.
        summary: all figures of the run; None for published rows.
        path: the result file; None for published rows.
        verification: what ``stormbench verify`` found.
        earlier: older runs of the same model on the same pixels, newest first.
        flags: what a reader should beware of.
    """

    model: str
    defense: str
    suite: str
    data: str
    images: int | None
    figures: dict[str, Figure]
    source: str = ""
    rank: Rank | None = None
    summary: Summary | None = None
    path: Path | None = None
    verification: Verification | None = None
    earlier: tuple["Row", ...] = ()
    flags: tuple[str, ...] = ()
    published: PublishedRow | None = None

    @property
    def name(self) -> str:
        """The model with its defense."""
        return f"{self.model} behind {self.defense}" if self.defense else self.model

    @property
    def short_model(self) -> str:
        """The model as people call it."""
        return self.model if self.published else short_name(self.model)

    @property
    def short(self) -> str:
        """The model as people call it, with its defense."""
        return f"{self.short_model} behind {self.defense}" if self.defense else self.short_model

    @property
    def kind(self) -> str:
        """Measured from stored outcomes, or taken from somebody's publication."""
        return "published" if self.published else "measured"


@dataclass(frozen=True)
class Board:
    """Runs on the same pixels, the best first.

    Attributes:
        title: what was scored on which images.
        index: by which figure the runs are ranked: a key of ``INDEX_NAMES``.
        rows: one a model; older runs of it stand in ``Row.earlier``.
        context: published rows of the same suite, which no rank may be given to: they saw other images.
    """

    title: str
    index: str
    rows: list[Row]
    context: list[Row] = field(default_factory=list)


def build_boards(summaries: Mapping[Path, Summary], *, published: bool = True) -> list[Board]:
    """Sorts runs into boards and ranks each board.

    Args:
        summaries: the figures of each result file.
        published: also show the published rows of the suites that were scored.

    Returns:
        One board for each set of pixels, in the order of their titles.
    """
    flags = _flags({path: summary.result for path, summary in summaries.items()})
    groups: dict[str, dict[Path, Summary]] = defaultdict(dict)
    for path, summary in summaries.items():
        cells = sorted(summary.errors)
        groups[repr((pixel_settings(summary.result), cells))][path] = summary
    context = published_context() if published else []
    boards = [_board(group, flags, context) for group in groups.values()]
    return _told_apart(sorted(boards, key=lambda board: board.title))


def published_context() -> list[Row]:
    """The published rows; they all concern ImageNet-C and ImageNet-P on the full validation set."""
    return [_published(row) for row in published_rows()]


def _board(group: Mapping[Path, Summary], flags: Mapping[Path, tuple[str, ...]], context: list[Row]) -> Board:
    index = next(name for name in INDEX_NAMES if any(name in summary.samples for summary in group.values()))
    newest = [max(line, key=lambda path: group[path].result.created) for line in _lines(group)]
    ranks = places({path: group[path].samples[index] for path in newest if index in group[path].samples})
    rows = []
    for path, line in zip(newest, _lines(group), strict=True):
        older = sorted(line - {path}, key=lambda other: group[other].result.created, reverse=True)
        earlier = tuple(_measured(other, group[other], flags[other]) for other in older)
        rows.append(_measured(path, group[path], flags[path], rank=ranks.get(path), earlier=earlier))
    rows.sort(key=lambda row: (row.rank is None, row.rank, row.figures[index].value if index in row.figures else 0.0))
    result = rows[0].summary.result if rows[0].summary else None
    title = f"{rows[0].suite} on {rows[0].images:,} images of {rows[0].data}"
    return Board(title, index, rows, context if result and result.suite.name == PUBLISHED_SUITE else [])


def _lines(group: Mapping[Path, Summary]) -> list[set[Path]]:
    """Several versions of one model: same source, same defense."""
    lines: dict[tuple[str, str], set[Path]] = defaultdict(set)
    for path, summary in group.items():
        result = summary.result
        lines[result.model.source, result.defense.spec if result.defense else ""].add(path)
    return list(lines.values())


def places(samples: Mapping[Key, Sampled]) -> dict[Key, Rank]:
    """The places that each model may hold.

    A model's best place is behind all that are surely better, its worst before all that are surely worse. So models
    that cannot be told apart share places, and 1-3 means: nobody surely beats it, and all but two are surely behind.

    Args:
        samples: a figure of each model as observed, then in resamples that all models share; lower is better.

    Example:
        >>> base = np.zeros(1001)
        >>> noise = np.linspace(-1, 1, 1001)
        >>> [str(rank) for rank in places({"a": base, "b": base + 0.1 * noise, "c": base + 5 + noise}).values()]
        ['1–2', '1–2', '3']
    """
    if not samples:
        return {}
    resampled = np.stack([values[1:] for values in samples.values()])
    beaten_by = np.array([(resampled < own).mean(axis=1) >= _SURE for own in resampled])
    best, worst = 1 + beaten_by.sum(axis=1), len(resampled) - beaten_by.sum(axis=0)
    return {key: Rank(int(first), int(last)) for key, first, last in zip(samples, best, worst, strict=True)}


def _measured(
    path: Path,
    summary: Summary,
    flags: tuple[str, ...],
    *,
    rank: Rank | None = None,
    earlier: tuple[Row, ...] = (),
) -> Row:
    result = summary.result
    estimates = {column.key: column.measured(summary) for column in COLUMNS}
    return Row(
        model=shown(result.model.source),
        defense=shown(result.defense.spec) if result.defense else "",
        suite=shown(result.suite.name),
        data=shown(result.data.name),
        images=result.data.images,
        figures={key: Figure(f"{it.value:.1f}", it.value, it) for key, it in estimates.items() if it},
        rank=rank,
        summary=summary,
        path=path,
        verification=read_verification(path),
        earlier=earlier,
        flags=flags,
    )


def _published(row: PublishedRow) -> Row:
    figures = {column.key: column.published(row) for column in COLUMNS}
    return Row(
        model=row.model,
        defense="",
        suite=PUBLISHED_SUITE,
        data="ImageNet validation",
        images=50_000,
        figures={key: Figure(f"{value:g}", value) for key, value in figures.items() if value is not None},
        source=row.source,
        published=row,
    )


def _flags(results: Mapping[Path, Result]) -> dict[Path, tuple[str, ...]]:
    weights, images = defaultdict(set), defaultdict(set)
    for result in results.values():
        weights[result.model.source].add(result.model.digest)
        images[result.data.name, result.data.images].add(result.data.fingerprint)
    return {
        path: tuple(
            _beware(result, len(weights[result.model.source]), len(images[result.data.name, result.data.images]))
        )
        for path, result in results.items()
    }


def _beware(result: Result, weights: int, images: int) -> Iterable[str]:
    if result.seal is None:
        yield "written before results had seals: a later change would not show"
    if weights > 1:
        yield f"results here name {weights} different sets of weights {shown(result.model.source, longest=80)}"
    if images > 1:
        yield f"results here call {images} different sets of images {shown(result.data.name, longest=80)}"
    if result.data.skipped:
        yield f"{len(result.data.skipped)} images were skipped because they could not be decoded"


def _told_apart(boards: Sequence[Board]) -> list[Board]:
    """Boards of one title get what tells them apart: their number."""
    titles = [board.title for board in boards]
    return [
        Board(f"{board.title} (set {titles[:at].count(board.title) + 1})", board.index, board.rows, board.context)
        if titles.count(board.title) > 1
        else board
        for at, board in enumerate(boards)
    ]
