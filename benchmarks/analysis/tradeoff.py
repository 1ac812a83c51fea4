"""Summaries of trade-off files, and their agreement with the results they were made of."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scipy.stats import spearmanr

from stormbench.benchmarks.results.attacks import AdversarialRecord
from stormbench.benchmarks.results.images import Result, read_result
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.run import ImageRun
from stormbench.benchmarks.results.tradeoffs import Point, Share, Tradeoff
from stormbench.cells import CLEAN
from stormbench.defenses.robustness.budgets import Role
from stormbench.errors import ResultError

_MOST_POINTS = 100


def impossible(found: Tradeoff, points: Sequence[Point]) -> str | None:
    """What cannot be in a trade-off that agrees with itself, or None."""
    if len(points) > _MOST_POINTS or len(found.transfers) > _MOST_POINTS**2:
        return f"it has {len(points)} points and {len(found.transfers)} transfers; a curve has fewer"
    if any(point.attacks.keys() != points[0].attacks.keys() for point in points):
        return "its points were not attacked alike"
    if any(right > point.robust.images for point in points for right in point.attacks.values()):
        return "an attack leaves more right answers than images"
    pairs = [(each.width, each.made_at, each.tested_at) for each in found.transfers]
    squares: dict[float, set[float]] = defaultdict(set)
    for width, *lambdas in pairs:
        squares[width].update(lambdas)
    if len(set(pairs)) < len(pairs) or len(pairs) != sum(len(lambdas) ** 2 for lambdas in squares.values()):
        return "its transfers are not every pair of some lambdas, once"
    return None


def results_of(path: Path, tradeoff: Tradeoff, point: Point) -> list[Path]:
    """Where the results of a point lie, as far as they are there: in the folder that bears the curve's name."""
    if not all(map(_is_plain, (tradeoff.name, *point.results))):
        return []
    return [place for name in point.results if (place := path.parent / tradeoff.name / name).is_file()]


def _is_plain(name: str) -> bool:
    """Whether a stranger's name of a file leads nowhere else."""
    return name not in (".", "..") and bool(re.fullmatch(r"[\w=,.@ +-]{1,200}", name, re.ASCII))


def agrees(path: Path, tradeoff: Tradeoff, point: Point) -> bool:
    """Whether the results of a point lie beside the trade-off file and hold its counts; False where some are missing.

    Raises:
        ResultError: a result is broken, or holds other counts.
    """
    places = results_of(path, tradeoff, point)
    if len(places) < len(point.results) or not places:
        return False
    runs = [ImageRun(place, read_result(place)) for place in places]
    for run in runs:
        _ = run.outcomes  # held against the counts
    if doubt := _departure(tradeoff, point, [run.result for run in runs]):
        raise ResultError(f"{path} and {places[0]} disagree: {doubt}")
    return True


def _departure(tradeoff: Tradeoff, point: Point, results: Sequence[Result]) -> str | None:
    """What a point says that its results do not, or None."""
    scored = next((result for result in results if result.adversarial is None), None)
    record = next((result.adversarial for result in results if result.adversarial), None)
    if scored is None or record is None:
        return "a point is made of a score and an attack"
    threat = (record.norm, record.eps, record.budget)
    expected = {
        "model": (point.model, {result.model.source for result in results} == {point.model}),
        "images": (tradeoff.fingerprint, scored.data.fingerprint == tradeoff.fingerprint),
        "attack": (tradeoff.budget, threat == (tradeoff.norm, tradeoff.eps, tradeoff.budget)),
        "clean accuracy": (point.clean, _clean(scored) == point.clean),
        "robust accuracy": (point.robust, _robust(record) == point.robust),
        "accuracies under each attack": (point.attacks, _by_attack(record) == point.attacks),
        "corrupted images": (point.corrupted, _corrupted(scored) == point.corrupted),
    }
    wrong = [f"the {what} {shown(str(said), longest=80)}" for what, (said, holds) in expected.items() if not holds]
    return f"{wrong[0]} of lambda {point.lam:g} at width {point.width:g}" if wrong else None


def _clean(result: Result) -> Share | None:
    cell = result.cell(CLEAN, 0)
    return Share(count=cell.images - cell.wrong, images=cell.images) if cell else None


def _robust(record: AdversarialRecord) -> Share:
    return Share(count=record.correct.adaptive, images=record.images)


def _by_attack(record: AdversarialRecord) -> dict[str, int]:
    return {row.attack: row.correct for row in record.rows if row.role == Role.ADAPTIVE}


def _corrupted(result: Result) -> Share | None:
    cells = [cell for cell in result.cells if cell.corruption != CLEAN]
    if not cells:
        return None
    return Share(count=sum(cell.wrong for cell in cells), images=sum(cell.images for cell in cells))


class Gap(NamedTuple):
    """A point less the dedicated model of its lambda, in points of accuracy (-100..100)."""

    lam: float
    clean: float
    robust: float


def by_width(tradeoff: Tradeoff) -> dict[float, list[Point]]:
    """The points of each width, by lambda."""
    widths = sorted({point.width for point in tradeoff.points})
    points = sorted(tradeoff.points, key=lambda point: point.lam)
    return {width: [point for point in points if point.width == width] for width in widths}


def rank_correlation(points: list[Point]) -> float | None:
    """Spearman's correlation of lambda and robust accuracy; None for fewer than three points, or all alike."""
    robust = [point.robust.value for point in points]
    if len(points) < 3 or len(set(robust)) == 1:
        return None
    return float(spearmanr([point.lam for point in points], robust).statistic)


def gaps(tradeoff: Tradeoff) -> list[Gap]:
    """At full width, for each lambda that has a dedicated model (the first, where there are several)."""
    rivals = {point.lam: point for point in reversed(tradeoff.dedicated)}
    return [
        Gap(
            point.lam,
            100 * (point.clean.value - rivals[point.lam].clean.value),
            100 * (point.robust.value - rivals[point.lam].robust.value),
        )
        for point in tradeoff.points
        if point.width == 1 and point.lam in rivals
    ]
