"""Two models on the same images: paired differences, how sure they are, and what they amount to in a sentence."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import hypot
from pathlib import Path

import numpy as np

from stormbench.benchmarks.analysis.baselines import check_suite, suite_baseline
from stormbench.benchmarks.analysis.comparison import ATTACKED, CellTest, Comparison, Difference
from stormbench.benchmarks.analysis.metrics import DECIDING, FIGURES
from stormbench.benchmarks.analysis.names import model_name, short_model_name
from stormbench.benchmarks.analysis.summary import figures_of
from stormbench.benchmarks.results.attacks import AdversarialRecord
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.run import ARITHMETIC, ImageRun, Run, SequenceRun
from stormbench.cells import CLEAN, Cell
from stormbench.defenses.robustness.outcomes import Right
from stormbench.errors import InputError, ResultError
from stormbench.metrics.baselines import Baseline
from stormbench.metrics.estimates import Estimate, sampled_share
from stormbench.metrics.intervals import wilson
from stormbench.metrics.significance import holm, mcnemar

_NAMES: tuple[Callable[[Run], str], ...] = (
    lambda run: short_model_name(run.result),
    lambda run: model_name(run.result),
    lambda run: shown(run.result.run),
    lambda run: str(run.path),
)


def compare(
    paths: Sequence[str | Path],
    *,
    baseline: Baseline | None = None,
    resamples: int = 1000,
    any_arithmetic: bool = False,
) -> list[Comparison]:
    """Compares the first result with each of the others, image by image.

    Both models of a pair are measured against one baseline and resampled by the same draws. A random defense draws anew
    for every image and cell, so that resampling images resamples its draws too.

    Args:
        paths: two or more result files; their outcomes lie beside them.
        baseline: what to normalise by; by default the suite's.
        resamples: number of bootstrap resamples.
        any_arithmetic: compare runs in other precisions too, or compiled ones with others.

    Raises:
        ResultError: a result is broken, or two of them were not made of the same pixels or not by the same arithmetic;
            the message says what differs.
        InputError: fewer than two results are given.
    """
    if len(paths) < 2:
        raise InputError(f"a comparison needs at least two results, got {len(paths)}")
    first, *others = map(Run.open, paths)
    if baseline:
        check_suite(baseline, first.result.suite.name)
    elif isinstance(first, ImageRun):
        baseline = suite_baseline(first.result.suite.name)
    for other in others:
        _check_pair(first, other, {ARITHMETIC} if any_arithmetic else set())
    return [_compared(first, other, baseline, resamples) for other in others]


AnyRun = ImageRun | SequenceRun


def _compared(first: AnyRun, second: AnyRun, baseline: Baseline | None, resamples: int) -> Comparison:
    cells = _common_cells(first, second)
    a, b = (figures_of(run, cells, baseline, resamples) for run in (first, second))
    shared = [name for name in DECIDING if name in a.indices and name in b.indices]
    indices = {name: Difference.of(a.indices[name], b.indices[name]) for name in shared}
    indices |= _robust_accuracies(first, second, resamples)
    corruptions = {
        name: Difference.of(values, b.corruptions[name])
        for name, values in a.corruptions.items()
        if name in b.corruptions
    }
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
        notes=[*_notes(first, second, cells), *(a.notes if cells != [(CLEAN, 0)] else ())],
    )


def _attacks(first: AnyRun, second: AnyRun) -> tuple[AdversarialRecord, AdversarialRecord] | None:
    """What attacks left of both; None where one was not attacked."""
    if not isinstance(first, ImageRun) or not isinstance(second, ImageRun):
        return None
    a, b = first.result.adversarial, second.result.adversarial
    return (a, b) if a and b else None


def _both_robust(first: AnyRun, second: AnyRun) -> tuple[Right, Right] | None:
    """Which images stayed right, of both, where they met the same threat and it was kept."""
    if not isinstance(first, ImageRun) or not isinstance(second, ImageRun) or not _same_threat(first, second):
        return None
    a, b = first.robust, second.robust
    return None if a is None or b is None else (a, b)


def _robust_accuracies(first: AnyRun, second: AnyRun, resamples: int) -> dict[str, Difference]:
    records = _attacks(first, second)
    if records is None or not _same_threat(first, second):
        return {}
    if (both := _both_robust(first, second)) is None:
        return {"robust_accuracy": _unpaired(*records)}
    shares = (sampled_share(each, resamples) for each in both)
    return {"robust_accuracy": replace(Difference.of(*shares), higher_is_better=True)}


def _unpaired(a: AdversarialRecord, b: AdversarialRecord) -> Difference:
    """Newcombe's interval (1998, method 10), for results from when attacks left counts and no outcomes by image."""
    p, q = 100 * a.correct.adaptive / a.images, 100 * b.correct.adaptive / b.images
    (low_a, high_a), (low_b, high_b) = (
        [100 * bound for bound in wilson(each.correct.adaptive, each.images)] for each in (a, b)
    )
    low = q - p - hypot(q - low_b, high_a - p)
    high = q - p + hypot(high_b - q, p - low_a)
    return Difference(p, q, Estimate(q - p, low, high), higher_is_better=True)


def _threat(record: AdversarialRecord) -> tuple[str, float, str]:
    return record.norm, record.eps, record.budget


def _same_threat(first: AnyRun, second: AnyRun) -> bool:
    records = _attacks(first, second)
    return records is not None and _threat(records[0]) == _threat(records[1])


def _check_pair(first: AnyRun, second: AnyRun, may_differ: set[str]) -> None:
    if type(first) is not type(second):
        raise ResultError(f"{first.path} and {second.path} cannot be compared: one is of images, one of sequences")
    theirs = second.pixels
    for what, value in first.pixels.items():
        if value != theirs[what] and what not in may_differ:
            raise ResultError(
                f"{first.path} and {second.path} cannot be compared: their {what} differs, "
                f"{shown(str(value), longest=80)} against {shown(str(theirs[what]), longest=80)}; "
                "score both models alike"
            )
    if not np.array_equal(first.outcomes.keys, second.outcomes.keys):
        raise ResultError(f"{first.path} and {second.path} cannot be compared: their images are named otherwise")


def _common_cells(first: AnyRun, second: AnyRun) -> list[Cell]:
    if not (cells := [cell for cell in first.cells if cell in second.cells]):
        raise ResultError(f"{first.path} and {second.path} cannot be compared: they have no cell in common")
    if isinstance(first, SequenceRun) and first.cells != second.cells:
        raise ResultError(f"{first.path} and {second.path} cannot be compared: they have other perturbations or levels")
    return cells


def _cell_tests(first: AnyRun, second: AnyRun, cells: Sequence[Cell]) -> list[CellTest]:
    if not isinstance(first, ImageRun) or not isinstance(second, ImageRun):
        return []
    wrong_first, wrong_second = first.wrong(cells), second.wrong(cells)
    if both := _both_robust(first, second):
        cells = [*cells, (ATTACKED, 0)]
        wrong_first, wrong_second = np.vstack([wrong_first, ~both[0]]), np.vstack([wrong_second, ~both[1]])
    only_first, only_second = (wrong_first & ~wrong_second).sum(axis=1), (~wrong_first & wrong_second).sum(axis=1)
    p = mcnemar(only_first, only_second)
    columns = (only_first.tolist(), only_second.tolist(), p.tolist(), holm(p).tolist())
    return [CellTest(*cell, *counts) for cell, *counts in zip(cells, *columns, strict=True)]


def _sure_corruptions(corruptions: dict[str, Difference], tests: Sequence[CellTest]) -> dict[str, int]:
    """Where the difference is beyond luck by both tests: fifteen intervals alone would raise a false alarm at times."""
    by_cell = {(test.corruption, test.sure) for test in tests}
    sure = {name: difference.sure for name, difference in corruptions.items() if difference.sure}
    return {name: sign for name, sign in sure.items() if not tests or (name, sign) in by_cell}


def conclusion(
    first: str, second: str, images: int, indices: dict[str, Difference], corruptions: dict[str, int]
) -> str:
    """The comparison in one sentence.

    Args:
        first: the first model's name.
        second: the second's.
        images: how many images both saw.
        indices: by the names of ``FIGURES``.
        corruptions: where the second model is surely better (-1) or surely worse (1).

    Example:
        >>> mce = Difference(80.0, 76.9, Estimate(-3.1, -4.0, -2.2))
        >>> conclusion("A", "B", 50000, {"mce": mce}, {"pixelate": 1, "fog": -1})
        'B is better than A by 3.1 points of mCE [2.2, 4.0] on the same 50,000 images; it is worse on pixelate.'
    """
    name = next(name for name in DECIDING if name in indices)
    what, points, sure = FIGURES[name].phrase, indices[name].points, indices[name].sure
    where = f"on the same {images:,} images"
    if not sure:
        said = f"{second} and {first} cannot be told apart by {what} {where}: they differ by {points} points"
        return said + _on(second, "better", corruptions, -1) + _on(second, "worse", corruptions, 1) + "."
    size = Estimate(*(abs(bound) for bound in (points.value, *sorted((points.low, points.high), key=abs))))
    word = "better" if sure < 0 else "worse"
    other = "worse" if sure < 0 else "better"
    return f"{second} is {word} than {first} by {size.value:.1f} points of {what} {size.brackets} {where}" + (
        _on("it", other, corruptions, -sure) + "."
    )


def _on(who: str, word: str, corruptions: dict[str, int], sign: int) -> str:
    names = [name for name, sure in corruptions.items() if sure == sign]
    most, last = ", ".join(names[:-1]), "".join(names[-1:])
    return f"; {who} is {word} on {most}{' and ' if most else ''}{last}" if names else ""


def _names(first: Run, second: Run) -> tuple[str, str]:
    """The models' names; those of the runs, or of the files, where the models have one name."""
    for name in _NAMES:
        if name(first) != name(second):
            return name(first), name(second)
    return "the first", "the second"


def _notes(first: AnyRun, second: AnyRun, cells: Sequence[Cell]) -> list[str]:
    notes = []
    attacked = _attacks(first, second) is not None
    if attacked and not _same_threat(first, second):
        notes.append("Robust accuracies are not compared: the attacks had other norms, radii or budgets.")
    elif attacked and _both_robust(first, second) is None:
        notes.append(
            "Robust accuracies are compared without pairing: one result is of a time when only counts were kept."
        )
    if left_out := (set(first.cells) | set(second.cells)) - set(cells):
        corrupted = sorted({name for name, _ in left_out if name != CLEAN})
        notes.append(f"Only {len(cells)} cells stand in both results; left out: {', '.join(corrupted) or CLEAN}.")
    if first.result.inference != second.result.inference:
        notes.append("The models computed with other precision, compilation or layout.")
    versions = [run.result.versions.get("stormbench", "unknown") for run in (first, second)]
    if versions[0] != versions[1]:
        notes.append(
            f'The runs were made by stormbench {versions[0]} and {versions[1]}: see "Numbers" in its changelog.'
        )
    return notes
