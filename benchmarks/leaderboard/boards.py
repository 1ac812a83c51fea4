"""Runs as rows: which can be ranked against each other, which places they hold, and what a reader should beware of."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from stormbench.benchmarks.analysis.metrics import DECIDING, FIGURES
from stormbench.benchmarks.analysis.names import short_name
from stormbench.benchmarks.leaderboard.columns import Figure, published_figure
from stormbench.benchmarks.leaderboard.differences import differences
from stormbench.benchmarks.leaderboard.entries import Entry
from stormbench.benchmarks.leaderboard.ranks import Rank, beaten_by_intervals, places, surely_beaten
from stormbench.benchmarks.leaderboard.sampled_entries import MARK
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.samples import SampledResult
from stormbench.benchmarks.results.verifications import Verification
from stormbench.metrics.baselines import PublishedRow, published_rows

# A board is ranked by the first of these that its runs have.
# For which suites others published figures, and which figures those are.
_PUBLISHED = {"imagenet-c": ("mce",), "imagenet-p": ("mfr", "mt5d")}

# What published figures are measured against.


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    Attributes:
        model: the model's name.
        defense: what stands before it, or nothing.
        suite: what was scored.
        data: on which images.
        images: how many.
        figures: by the key of their column.
        source: who published the row; empty for measured ones.
        rank: the places it may hold among the runs on the same pixels; None for published rows.
        run: all that is known of a measured row.
        verification: what ``stormbench verify`` found.
        earlier: older runs of the same model on the same pixels, newest first.
        flags: what a reader should beware of.
    """

    model: str
    defense: str
    suite: str
    data: str
    images: int
    figures: dict[str, Figure]
    source: str = ""
    rank: Rank | None = None
    run: Entry | None = None
    verification: Verification | None = None
    earlier: tuple["Row", ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def short_model(self) -> str:
        """The model as people call it."""
        return short_name(self.model) if self.run else self.model

    @property
    def short(self) -> str:
        """The model as people call it, with its defense."""
        return f"{self.short_model} behind {self.defense}" if self.defense else self.short_model

    @property
    def kind(self) -> str:
        """Measured from stored outcomes, or taken from somebody's publication."""
        return "measured" if self.run else "published"

    @property
    def verdict(self) -> str:
        """Of an adversarial evaluation; empty where there was none."""
        return shown(self.run.verdict, longest=200) if self.run else ""


@dataclass(frozen=True)
class Board:
    """Runs on the same pixels, the best first.

    Attributes:
        title: what was scored on which images.
        index: the key of the figure that ranks the runs.
        rows: one a model; older runs of it stand in ``Row.earlier``.
        context: published rows of the same suite, which no rank may be given to: they saw other images.
        baseline: the name of what its runs are measured against; empty for plain means.
        is_literature: whether that is the very baseline of the published figures.
    """

    title: str
    index: str
    rows: list[Row]
    context: list[Row] = field(default_factory=list)
    baseline: str = ""
    is_literature: bool = False

    @property
    def published_index(self) -> str:
        """The figure that published rows of the suite are known for; empty where there are none."""
        return _PUBLISHED[self.rows[0].suite][0] if self.context else ""

    @property
    def like_published(self) -> bool:
        """Whether its index and that of the published rows are measured against the same: the literature's AlexNet."""
        return self.index == self.published_index and self.is_literature


def build_boards(runs: Sequence[Entry], *, published: bool = True) -> list[Board]:
    """Sorts runs into boards and ranks each board.

    Args:
        runs: what ``read_entries`` gave.
        published: also show the published rows of the suites that were scored.

    Returns:
        One board for each set of pixels, in the order of the figures that rank them, then of their titles.
    """
    flags = _flags(runs)
    groups: dict[str, list[Entry]] = defaultdict(list)
    for run in runs:
        groups[run.pixels].append(run)
    boards = [_board(group, flags, published=published) for group in groups.values()]
    return _told_apart(sorted(boards, key=lambda board: (DECIDING.index(board.index), board.title)))


def _board(group: Sequence[Entry], flags: Mapping[int, tuple[str, ...]], *, published: bool) -> Board:
    having = (name for name in DECIDING if any(name in run.figures for run in group))
    index = next(having, "clean_error")
    lines = [sorted(line, key=_age, reverse=True) for line in _lines(group)]
    ranks = _ranks([line[0] for line in lines], index)
    rows = [
        replace(
            _measured(newest, flags),
            rank=ranks.get(id(newest)),
            earlier=tuple(_measured(run, flags) for run in older),
        )
        for newest, *older in lines
    ]
    sign = -1 if FIGURES[index].higher_is_better else 1
    rows.sort(key=lambda row: (row.rank is None, row.rank, sign * row.figures[index].value if row.rank else 0.0))
    suite, adversary = rows[0].suite, _adversary_title(group[0])
    baseline = next((run.baseline for run in group if run.baseline), "")
    literature = all(run.is_literature for run in group)
    against = f", measured against {shown(baseline, longest=60)}" if baseline and not literature else ""
    sampled = f", {MARK}" if isinstance(group[0].result, SampledResult) else ""
    title = f"{adversary or suite} on {rows[0].images:,} images of {rows[0].data}{against}{sampled}"
    context = _published_rows(suite) if published and not adversary else []
    return Board(title, index, rows, context, baseline, literature)


def _age(run: Entry) -> float:
    return run.result.created.timestamp()


def _adversary_title(run: Entry) -> str:
    found = getattr(run.result, "adversarial", None)
    if found is None:
        return ""
    radius = f"{found.eps * 255:.3g}/255" if found.norm == "linf" else f"{found.eps:.3g}"
    return f"Adversarial attacks ({found.norm}, radius {radius}, {shown(found.budget, longest=20)} budget)"


def _lines(group: Sequence[Entry]) -> list[list[Entry]]:
    """Several versions of one model: same source, same defense."""
    lines: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for run in group:
        lines[run.result.model.source, run.result.defense.spec if run.result.defense else ""].append(run)
    return list(lines.values())


def _ranks(runs: Sequence[Entry], index: str) -> dict[int, Rank]:
    having = [run for run in runs if index in run.figures]
    if not having:
        return {}
    if all(index in run.samples for run in having):
        sign = -1 if FIGURES[index].higher_is_better else 1
        beaten = surely_beaten([sign * run.samples[index] for run in having], _resampled(having[0], index))
    else:
        estimates = [run.figures[index].interval for run in having]
        beaten = beaten_by_intervals([each for each in estimates if each], FIGURES[index].higher_is_better)
    return {id(run): rank for run, rank in zip(having, places(beaten), strict=True)}


def _resampled(run: Entry, index: str) -> int:
    """How many images the resamples of a figure were drawn from: attacks see fewer than were scored."""
    found = getattr(run.result, "adversarial", None)
    return found.images if found and index == "robust_accuracy" else run.result.data.images


def _measured(run: Entry, flags: Mapping[int, tuple[str, ...]]) -> Row:
    result = run.result
    return Row(
        model=shown(result.model.source),
        defense=shown(result.defense.spec) if result.defense else "",
        suite=shown(result.suite.name),
        data=shown(result.data.name),
        images=result.data.images,
        figures=run.figures,
        run=run,
        verification=run.verification,
        flags=flags[id(run)],
    )


def _published_rows(suite: str) -> list[Row]:
    return [_published(row, suite) for row in published_rows() if _published_figures(row, suite)]


def _published_figures(row: PublishedRow, suite: str) -> dict[str, float]:
    """What a source says of a suite."""
    found = {key: value for key in _PUBLISHED.get(suite, ()) if (value := FIGURES[key].published(row)) is not None}
    clean = {"clean_error": row.clean_error} if row.clean_error is not None else {}
    return found | clean if found else {}


def _published(row: PublishedRow, suite: str) -> Row:
    return Row(
        model=row.model,
        defense="",
        suite=suite,
        data="ImageNet validation",
        images=50_000,
        figures={key: published_figure(value) for key, value in _published_figures(row, suite).items()},
        source=row.source,
    )


def _flags(runs: Sequence[Entry]) -> dict[int, tuple[str, ...]]:
    weights, images = defaultdict(set), defaultdict(set)
    for run in runs:
        weights[run.result.model.source].add(run.result.model.digest)
        images[run.result.data.name, run.result.data.images].add(run.result.data.fingerprint)
    return {
        id(run): tuple(
            _beware(
                run,
                len(weights[run.result.model.source]),
                len(images[run.result.data.name, run.result.data.images]),
            )
        )
        for run in runs
    }


def _beware(run: Entry, weights: int, images: int) -> Iterable[str]:
    result = run.result
    if run.baseline and not run.is_literature:
        name = shown(run.baseline, longest=80)
        yield f"measured against {name}, not AlexNet: not to be held against published figures"
    if result.seal is None:
        yield "written before results had seals: a later change would not show"
    attacked = getattr(result, "adversarial", None)
    if attacked and not attacked.by_image:
        yield "attacked when only counts were kept: they cannot be recomputed from what became of each image"
    if weights > 1:
        yield f"results here name {weights} different sets of weights {shown(result.model.source, longest=80)}"
    if images > 1:
        yield f"results here call {images} different sets of images {shown(result.data.name, longest=80)}"
    if result.data.skipped:
        yield f"{len(result.data.skipped)} images were skipped because they could not be decoded"


def _told_apart(boards: Sequence[Board]) -> list[Board]:
    """Boards of one title are numbered, and say in which settings they differ."""
    alike: dict[str, list[Board]] = defaultdict(list)
    for board in boards:
        alike[board.title].append(board)
    titles = {id(board): title for same in alike.values() for board, title in zip(same, _titles(same), strict=True)}
    return [replace(board, title=titles[id(board)]) for board in boards]


def _titles(alike: Sequence[Board]) -> list[str]:
    if len(alike) == 1:
        return [alike[0].title]
    settings = differences([row.run for board in alike for row in board.rows[:1] if row.run])
    return [
        f"{board.title} (set {number}{f': {said}' if said else ''})"
        for number, (board, said) in enumerate(zip(alike, settings, strict=True), start=1)
    ]
