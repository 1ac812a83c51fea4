"""One point of a trade-off: a model at one lambda and width, scored and attacked as by the ordinary commands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stormbench.benchmarks.models.loading import Model
from stormbench.benchmarks.results.schema import CLEAN, Cell, Result
from stormbench.benchmarks.robust_accuracy import attack
from stormbench.benchmarks.scoring import score
from stormbench.benchmarks.suites import Suite
from stormbench.benchmarks.tradeoff.schema import Point, Share
from stormbench.datasets import ImageSet
from stormbench.datasets.corrupted import clean_pixels
from stormbench.defenses.adversary import BUDGETS, Ball, Budget, Role
from stormbench.defenses.oat.model import ModelAt
from stormbench.errors import ModelError

Report = Callable[[str, int, int], None]

CURVE = Budget(
    "curve",
    "PGD-20, PGD-40, APGD-CE and APGD-DLR with 20 steps: enough to compare trade-offs, not to prove robustness",
    lead="pgd:step=0.125,momentum=0.75",
    lead_steps=20,
    others=("apgd:loss=ce,steps=20", "apgd:loss=dlr,steps=20"),
    first_draws=1,
    most_draws=1,
    others_draws=1,
    queries=0,
    query_draws=1,
)


def find_budget(name: str) -> Budget:
    """``curve``, or one of ``BUDGETS``."""
    return CURVE if name == CURVE.name else BUDGETS[name]


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
    suite: Suite
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


def _all_wrong(cells: Sequence[Cell]) -> Share | None:
    if not cells:
        return None
    return Share(count=sum(cell.wrong for cell in cells), images=sum(cell.images for cell in cells))
