"""One point of a trade-off: a model at one lambda and width, scored and attacked as by the ordinary commands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stormbench.benchmarks.evaluation.attack import attack
from stormbench.benchmarks.evaluation.evaluate import score
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.images import CellCounts, Result
from stormbench.benchmarks.results.tradeoffs import Point, Share
from stormbench.benchmarks.suites.corruptions import CorruptionSuite
from stormbench.cells import CLEAN
from stormbench.datasets import ImageSet
from stormbench.datasets.on_the_fly import clean_pixels
from stormbench.defenses.attacks import Ball
from stormbench.defenses.oat.model import ModelAt
from stormbench.defenses.robustness import Budget, Role
from stormbench.defenses.robustness.budgets import CURVE
from stormbench.errors import ModelError

Report = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured at every point.

    Attributes:
        images: labelled images.
        suite: how they are prepared, and which cells are scored beside the clean one.
        ball: radius and norm of the attacks.
        budget: how hard they try.
        limit: score only the first so many images; None scores all.
        attacked: attack only the first so many.
        seed: of everything that is drawn.
        workers: number of worker processes; 0 works in this one.
        batch_size: images that go through a model at once.
        device: where models run.
        report: called with what is being done, images done and all.
    """

    images: ImageSet
    suite: CorruptionSuite
    ball: Ball
    budget: Budget = CURVE
    limit: int | None = None
    attacked: int | None = 200
    seed: int = 0
    workers: int = 0
    batch_size: int = 50
    device: str = "cpu"
    report: Report = lambda *_: None

    @property
    def side(self) -> int:
        """Of the prepared images, in pixels."""
        return int(clean_pixels(self.images.read(0), self.suite.geometry).shape[0])

    @property
    def common(self) -> dict[str, Any]:
        """What ``score`` and ``attack`` have in common."""
        return {
            "seed": self.seed,
            "workers": self.workers,
            "batch_size": self.batch_size,
            "device": self.device,
        }


def measure(plan: Plan, model: Model, out: Path) -> tuple[Point, Result]:
    """Scores and attacks a model; what an earlier, interrupted run has finished is taken from ``out``.

    Returns:
        The point, and the score that its images are recorded in.

    Raises:
        ModelError: it is no model at a lambda.
        StormbenchError: see ``score`` and ``attack``.
    """
    at = model.network
    if not isinstance(at, ModelAt):
        raise ModelError(f"{model.source} has no lambda; give what `stormbench train oat`, `oats` or `pgd` wrote")
    folder = Path(model.source.removeprefix("oat:").rpartition("@")[0]).resolve().parent.name
    name = f"{folder}.lam-{at.lam:g}.width-{at.width:g}"
    scored_at, scored = score(
        model,
        plan.images,
        plan.suite,
        out=out,
        name=f"{name}.score",
        limit=plan.limit,
        progress=lambda done, total: plan.report(f"scoring {name}", done, total),
        **plan.common,
    )
    attacked_at, attacked = attack(
        model,
        plan.images,
        plan.suite,
        out=out,
        eps=plan.ball.eps,
        norm=plan.ball.norm,
        budget=plan.budget,
        name=f"{name}.attack",
        limit=plan.attacked,
        progress=lambda done, total: plan.report(f"attacking {name}", done, total),
        **plan.common,
    )
    return _point(model.source, at, plan.side, scored, attacked, [scored_at.name, attacked_at.name]), scored


def _point(source: str, at: ModelAt, side: int, scored: Result, attacked: Result, files: list[str]) -> Point:
    clean, cells = scored.cell(CLEAN, 0), [cell for cell in scored.cells if cell.corruption != CLEAN]
    left = attacked.adversarial
    assert clean is not None  # every score has the clean images
    assert left is not None  # every attack has its record
    operations, parameters = at.cost(side)
    return Point(
        model=source,
        lam=at.lam,
        width=at.width,
        clean=Share(count=clean.images - clean.wrong, images=clean.images),
        robust=Share(count=left.correct.adaptive, images=left.images),
        attacks={row.attack: row.correct for row in left.rows if row.role == Role.ADAPTIVE.value},
        corrupted=_all_wrong(cells),
        cells=len(cells),
        operations=operations,
        parameters=parameters,
        results=files,
    )


def _all_wrong(cells: Sequence[CellCounts]) -> Share | None:
    if not cells:
        return None
    return Share(count=sum(cell.wrong for cell in cells), images=sum(cell.images for cell in cells))
