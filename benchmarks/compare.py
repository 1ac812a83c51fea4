"""Two models on the same images: paired differences, how sure they are, and what they amount to in a sentence."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stormbench.benchmarks.names import model_name
from stormbench.benchmarks.outcomes import Outcomes
from stormbench.benchmarks.paired import holm, mcnemar
from stormbench.benchmarks.plain_text import shown
from stormbench.benchmarks.resampling import Resampled, Sampled
from stormbench.benchmarks.results import CLEAN, Result, Settings, read_outcomes, read_result
from stormbench.benchmarks.summary import CellKey, Estimate, Figures, sampled_figures, suite_baseline
from stormbench.errors import InputError, ResultError
from stormbench.metrics.baselines import Baseline

SIGNIFICANT = 0.05
# What must be equal for two runs to have seen the same pixels, and what to say where it is not.
_SAME_PIXELS: dict[str, Callable[[Settings], Any]] = {
    "suite": lambda result: result.suite.name,
    "severity scale": lambda result: result.suite.scale,
    "geometry": lambda result: result.suite.geometry,
    "codec (JPEG quality)": lambda result: result.suite.jpeg_quality,
    "number of images": lambda result: result.data.images,
    "images (fingerprint)": lambda result: result.data.fingerprint,
    "released files": lambda result: result.data.released,
    "seed": lambda result: result.seed,
}
# Figures by which a conclusion is drawn, the first that both runs have; all of them are better when lower.
INDEX_NAMES = {
    "mce": "mCE",
    "mean_error": "mean error",
    "clean_error": "clean error",
    "relative_mce": "relative mCE",
}


@dataclass(frozen=True)
class Difference:
    """One figure of both models, in percent, and second minus first: below 0 the second is better.

    Attributes:
        first: the figure of the first model.
        second: the figure of the second.
        points: the paired difference, with its 95 % interval.
    """

    first: float
    second: float
    points: Estimate

    @classmethod
    def of(cls, first: Sampled, second: Sampled) -> "Difference":
        """From two figures that were resampled alike."""
        return cls(float(first[0]), float(second[0]), Estimate.of(second - first))

    @property
    def sure(self) -> int:
        """-1 where the second model is surely better, 1 where it is surely worse, 0 where luck could explain it."""
        return int(self.points.low > 0) - int(self.points.high < 0)


@dataclass(frozen=True)
class CellTest:
    """McNemar's test on one cell.

    Attributes:
        corruption: with ``severity``, the cell.
        severity: 0 for clean images.
        only_first_wrong: number of images that only the first model gets wrong.
        only_second_wrong: number of images that only the second model gets wrong.
        p: exact two-sided probability.
        p_holm: after Holm's correction over all cells of the comparison.
    """

    corruption: str
    severity: int
    only_first_wrong: int
    only_second_wrong: int
    p: float
    p_holm: float

    @property
    def sure(self) -> int:
        """As ``Difference.sure``, by the corrected test."""
        return int(np.sign(self.only_second_wrong - self.only_first_wrong)) if self.p_holm <= SIGNIFICANT else 0


@dataclass(frozen=True)
class Comparison:
    """What can be said about two models on the same images.

    Attributes:
        first: the first model's name.
        second: the second's.
        images: how many images both saw.
        baseline: what CE and mCE were measured against; empty for plain mean errors.
        indices: mCE, relative mCE, mean error and clean error, as far as both runs have them.
        corruptions: CE by corruption, or the mean error where there is no baseline.
        cells: a test for each cell that both runs have.
        conclusion: all of it in one sentence.
        notes: what a reader must know beside.
    """

    first: str
    second: str
    images: int
    baseline: str
    indices: dict[str, Difference]
    corruptions: dict[str, Difference]
    cells: list[CellTest]
    conclusion: str
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values; an interval is an object with ``value``, ``low`` and ``high``."""
        document = asdict(self)
        for differences in (document["indices"], document["corruptions"]):
            for difference in differences.values():
                difference["points"] = difference["points"]._asdict()
        return document


@dataclass(frozen=True)
class _Run:
    path: Path
    result: Result
    outcomes: Outcomes

    @classmethod
    def read(cls, path: Path) -> "_Run":
        result = read_result(path)
        return cls(path, result, read_outcomes(path, result))

    @property
    def cells(self) -> list[CellKey]:
        return [(cell.corruption, cell.severity) for cell in self.result.cells]


_NAMES: tuple[Callable[[_Run], str], ...] = (
    lambda run: model_name(run.result),
    lambda run: shown(run.result.run),
    lambda run: str(run.path),
)


def compare(
    paths: Sequence[str | Path], *, baseline: Baseline | None = None, resamples: int = 1000
) -> list[Comparison]:
    """Compares the first result with each of the others, image by image.

    Both models of a pair are measured against one baseline and resampled by the same draws. A random defense draws anew
    for every image and cell, so that resampling images resamples its draws too.

    Args:
        paths: two or more result files; their outcomes lie beside them.
        baseline: what to normalise by; by default the suite's.
        resamples: number of bootstrap resamples.

    Raises:
        ResultError: a result is broken, or two of them were not made of the same pixels; the message says what differs.
        InputError: fewer than two results are given.
    """
    if len(paths) < 2:
        raise InputError(f"a comparison needs at least two results, got {len(paths)}")
    first, *others = (_Run.read(Path(path)) for path in paths)
    return [_compared(first, other, baseline or suite_baseline(first.result.suite.name), resamples) for other in others]


def pixel_settings(result: Settings) -> dict[str, Any]:
    """Everything that the pixels of a run depend on; runs that agree in all of it can be paired."""
    return {what: setting(result) for what, setting in _SAME_PIXELS.items()}


def _compared(first: _Run, second: _Run, baseline: Baseline | None, resamples: int) -> Comparison:
    cells = _common_cells(first, second)
    a, b = (_figures(run, cells, baseline, resamples) for run in (first, second))
    indices = {name: Difference.of(a.indices[name], b.indices[name]) for name in INDEX_NAMES if name in a.indices}
    corruptions = {name: Difference.of(values, b.corruptions[name]) for name, values in a.corruptions.items()}
    tests = _cell_tests(first, second, cells)
    names = _names(first, second)
    images = first.result.data.images
    return Comparison(
        *names,
        images=images,
        baseline=baseline.name if baseline else "",
        indices=indices,
        corruptions=corruptions,
        cells=tests,
        conclusion=conclusion(*names, images, indices, _sure_corruptions(corruptions, tests)),
        notes=[*_notes(first, second, cells), *a.notes],
    )


def _common_cells(first: _Run, second: _Run) -> list[CellKey]:
    settings = pixel_settings(second.result)
    for what, value in pixel_settings(first.result).items():
        if value != settings[what]:
            raise ResultError(
                f"{first.path} and {second.path} cannot be compared: their {what} differs, "
                f"{shown(str(value), longest=80)} against {shown(str(settings[what]), longest=80)}; "
                "score both models alike"
            )
    if not np.array_equal(first.outcomes.keys, second.outcomes.keys):
        raise ResultError(f"{first.path} and {second.path} cannot be compared: their images are named otherwise")
    if not (cells := [cell for cell in first.cells if cell in second.cells]):
        raise ResultError(f"{first.path} and {second.path} cannot be compared: they have no cell in common")
    return cells


def _figures(run: _Run, cells: Sequence[CellKey], baseline: Baseline | None, resamples: int) -> Figures:
    return sampled_figures(Resampled.of(run.result, run.outcomes, resamples).only(cells), baseline)


def _cell_tests(first: _Run, second: _Run, cells: Sequence[CellKey]) -> list[CellTest]:
    wrong_first, wrong_second = (
        run.outcomes.rank[[run.cells.index(cell) for cell in cells]] >= 1 for run in (first, second)
    )
    only_first, only_second = (wrong_first & ~wrong_second).sum(axis=1), (~wrong_first & wrong_second).sum(axis=1)
    p = mcnemar(only_first, only_second)
    columns = (only_first.tolist(), only_second.tolist(), p.tolist(), holm(p).tolist())
    return [CellTest(*cell, *counts) for cell, *counts in zip(cells, *columns, strict=True)]


def _sure_corruptions(corruptions: dict[str, Difference], tests: Sequence[CellTest]) -> dict[str, int]:
    """Where the difference is beyond luck by both tests, so that fifteen intervals raise no false alarm."""
    by_cell = {(test.corruption, test.sure) for test in tests}
    return {
        name: difference.sure
        for name, difference in corruptions.items()
        if difference.sure and (name, difference.sure) in by_cell
    }


def conclusion(
    first: str, second: str, images: int, indices: dict[str, Difference], corruptions: dict[str, int]
) -> str:
    """The comparison in one sentence.

    Args:
        first: the first model's name.
        second: the second's.
        images: how many images both saw.
        indices: by the names of ``INDEX_NAMES``.
        corruptions: where the second model is surely better (-1) or surely worse (1).

    Example:
        >>> mce = Difference(80.0, 76.9, Estimate(-3.1, -4.0, -2.2))
        >>> conclusion("A", "B", 50000, {"mce": mce}, {"pixelate": 1, "fog": -1})
        'B is better than A by 3.1 points of mCE [2.2, 4.0] on the same 50,000 images; it is worse on pixelate.'
    """
    name = next(name for name in INDEX_NAMES if name in indices)
    what, points, sure = INDEX_NAMES[name], indices[name].points, indices[name].sure
    where = f"on the same {images:,} images"
    if not sure:
        said = f"{second} and {first} cannot be told apart by {what} {where}: they differ by {points} points"
        return said + _on("better", corruptions, -1) + _on("worse", corruptions, 1) + "."
    size = Estimate(*(abs(bound) for bound in (points.value, *sorted((points.low, points.high), key=abs))))
    word = "better" if sure < 0 else "worse"
    other = "worse" if sure < 0 else "better"
    return f"{second} is {word} than {first} by {size.value:.1f} points of {what} {size.brackets} {where}" + (
        _on(other, corruptions, -sure) + "."
    )


def _on(word: str, corruptions: dict[str, int], sign: int) -> str:
    names = [name for name, sure in corruptions.items() if sure == sign]
    return f"; it is {word} on {_listed(names)}" if names else ""


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _names(first: _Run, second: _Run) -> tuple[str, str]:
    """The models' names; those of the runs, or of the files, where the models have one name."""
    for name in _NAMES:
        if name(first) != name(second):
            return name(first), name(second)
    return "the first", "the second"


def _notes(first: _Run, second: _Run, cells: Sequence[CellKey]) -> list[str]:
    notes = []
    if left_out := (set(first.cells) | set(second.cells)) - set(cells):
        corrupted = sorted({name for name, _ in left_out if name != CLEAN})
        notes.append(f"Only {len(cells)} cells stand in both results; left out: {', '.join(corrupted) or CLEAN}.")
    versions = [run.result.versions.get("stormbench", "unknown") for run in (first, second)]
    if versions[0] != versions[1]:
        notes.append(
            f'The runs were made by stormbench {versions[0]} and {versions[1]}: see "Numbers" in its changelog.'
        )
    return notes
