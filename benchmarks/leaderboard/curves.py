"""Trade-off curves: accuracy against robustness of one model at every lambda and width, with models of one lambda.

A trade-off file holds counts that were taken from ordinary results. Where those lie beside it, every count is held
against them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stormbench.benchmarks.analysis.tradeoff import agrees, by_width, impossible
from stormbench.benchmarks.leaderboard.columns import Figure, measured
from stormbench.benchmarks.leaderboard.entries import or_named
from stormbench.benchmarks.results.documents import kind_of
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.tradeoffs import KIND, Point, Share, Tradeoff, read_tradeoff
from stormbench.errors import ResultError
from stormbench.metrics.estimates import Estimate

_SHOWN_TEXT = 2000


@dataclass(frozen=True)
class CurveColumn:
    """One column of a curve's table: on the page, in the CSV, in Markdown and in LaTeX.

    Attributes:
        key: name in the CSV.
        heading: what stands above it.
        figure: of a point; None where the point has none.
        meaning: what it says, in a sentence for newcomers.
    """

    key: str
    heading: str
    figure: Callable[[Point], Figure | None]
    meaning: str


@dataclass(frozen=True)
class Curve:
    """One trade-off file.

    Attributes:
        path: the file.
        tradeoff: what it holds.
        recounted: how many of its points were held against the results that they were made of.
    """

    path: Path
    tradeoff: Tradeoff
    recounted: int

    @property
    def name(self) -> str:
        """As it may be shown."""
        return shown(self.tradeoff.name, longest=80)

    @property
    def title(self) -> str:
        """What was attacked, and how hard."""
        found = self.tradeoff
        radius = f"{found.eps * 255:.3g}/255" if found.norm == "linf" else f"{found.eps:.3g}"
        data, budget = shown(found.data, longest=60), shown(found.budget, longest=20)
        return f"Trade-off of {self.name} on {data} ({found.norm}, radius {radius}, {budget} budget)"

    @property
    def points(self) -> list[Point]:
        """All points: by width and lambda, then the dedicated models."""
        curves = [point for points in by_width(self.tradeoff).values() for point in points]
        return [*curves, *self.tradeoff.dedicated]

    @property
    def remark(self) -> str:
        """How far its counts could be held against results."""
        points = len(self.points)
        if self.recounted == points:
            return f"The counts of all {points} points were held against the results that they were made of."
        return (
            f"The counts of {points - self.recounted} of {points} points rest on this file alone: "
            "the results that they were made of do not lie beside it."
        )

    @property
    def transfers(self) -> list[tuple[float, list[float], list[tuple[float, list[Figure | None]]]]]:
        """Attacks across lambdas: for each width the lambdas that answered, and a row for each that was attacked."""
        found = {(each.width, each.made_at, each.tested_at): percent(each.right) for each in self.tradeoff.transfers}
        tables = []
        for width in sorted({width for width, _, _ in found}):
            made, tested = (sorted({key[at] for key in found if key[0] == width}) for at in (1, 2))
            tables.append((width, tested, [(lam, [found.get((width, lam, to)) for to in tested]) for lam in made]))
        return tables

    @property
    def provenance(self) -> dict[str, str]:
        """Where the figures come from."""
        found = self.tradeoff
        facts = {
            "Checkpoint": found.checkpoint,
            "Weights": f"digest {found.weights}",
            "Architecture": found.architecture,
            "Images": f"{found.data}, fingerprint {found.fingerprint}",
            "Suite": found.suite,
            "Measured": f"{found.created:%Y-%m-%d %H:%M} UTC",
            "Attacks": ", ".join(dict.fromkeys(name for point in self.points for name in point.attacks)),
            "Cost": f"operations are counted for images of {found.side} x {found.side} pixels",
        }
        return {what: shown(text, longest=_SHOWN_TEXT) for what, text in facts.items()}

    def kind(self, point: Point) -> str:
        """The line that a point belongs to."""
        return "trained for one lambda" if point in self.tradeoff.dedicated else f"width {point.width:g}"


def read_curves(folder: Path, broken: list[str] | None = None) -> list[Curve]:
    """Reads the trade-off files in a folder and its sub-folders.

    Args:
        folder: where they are.
        broken: takes what is wrong with files that are broken, which are then left out.

    Raises:
        ResultError: one of them is broken, or disagrees with the results that it was made of, and ``broken`` is None.
    """
    paths = sorted(path for path in folder.rglob("*.json") if is_curve(path))
    read = [or_named(read_curve, path, broken) for path in paths]
    return [curve for curve in read if curve is not None]


def is_curve(path: Path) -> bool:
    """Whether a file says of itself that it is a trade-off, and does not belong to an unfinished run."""
    return not any(parent.suffix == ".unfinished" for parent in path.parents) and kind_of(path) == KIND


def read_curve(path: Path) -> Curve:
    """Reads a trade-off file and holds it against the results that lie beside it.

    Raises:
        ResultError: it is broken, or disagrees with one of its results.
    """
    found = read_tradeoff(path)
    points = [*found.points, *found.dedicated]
    if doubt := impossible(found, points):
        raise ResultError(f"{path} is refused: {doubt}")
    return Curve(path, found, sum(agrees(path, found, point) for point in points))


def percent(share: Share | None) -> Figure | None:
    """A share as it is printed everywhere."""
    if share is None:
        return None
    estimate = Estimate(*(100 * part for part in (share.value, *share.interval)))
    return measured("robust_accuracy", estimate)


def _plain_percent(share: Share | None) -> Figure | None:
    """Without an interval: the cells of one image are not independent, and only their sum is kept."""
    return Figure(100 * share.value, f"{100 * share.value:.1f}") if share else None


def _millions(number: int) -> Figure:
    return Figure(number / 1e6, f"{number / 1e6:.3g}")


CURVE_COLUMNS = (
    CurveColumn(
        "clean_accuracy",
        "Clean accuracy",
        lambda point: percent(point.clean),
        "the share of undisturbed images that the model gets right, in percent; higher is better.",
    ),
    CurveColumn(
        "robust_accuracy",
        "Robust accuracy",
        lambda point: percent(point.robust),
        "the share of the attacked images that stay right under the worst of all attacks for each image; fewer images "
        "are attacked than scored, so its interval is wider. Higher is better.",
    ),
    CurveColumn(
        "corrupted_error",
        "Mean error",
        lambda point: _plain_percent(point.corrupted),
        "the share of corrupted images that the model gets wrong; lower is better.",
    ),
    CurveColumn(
        "operations",
        "MFLOP",
        lambda point: _millions(point.operations),
        "millions of floating-point operations that one image takes, two for each multiplication with addition.",
    ),
    CurveColumn(
        "parameters",
        "Parameters, millions",
        lambda point: _millions(point.parameters),
        "weights that take part.",
    ),
)
