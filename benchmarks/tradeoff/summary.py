"""What a trade-off says: does robustness rise with lambda, and how far are the dedicated models?"""

from typing import NamedTuple

from scipy.stats import spearmanr

from stormbench.benchmarks.tradeoff.schema import Point, Tradeoff


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
