"""Measures a trade-off curve: every lambda and width, dedicated models beside them, attacks across lambdas."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from stormbench.benchmarks.experiments.points import Plan, measure
from stormbench.benchmarks.experiments.transfer import transfers
from stormbench.benchmarks.models.conditional import identifier_at
from stormbench.benchmarks.models.loading import load_model
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.tradeoffs import Tradeoff, write_tradeoff
from stormbench.defenses.oat.card import read_card
from stormbench.errors import InputError
from stormbench.files import is_plain_name


def tradeoff(
    checkpoint: str | Path,
    plan: Plan,
    *,
    out: str | Path,
    name: str | None = None,
    dedicated: Sequence[str | Path] = (),
    lambdas: Sequence[float] | None = None,
    widths: Sequence[float] | None = None,
    transfer: bool = True,
) -> tuple[Path, Tradeoff]:
    """Scores and attacks a conditional model at every lambda and width, and dedicated models beside it.

    Every point is made of two ordinary results, which lie in ``out/NAME`` and which an interrupted run finds again.

    Args:
        checkpoint: what ``stormbench train oat`` or ``oats`` wrote.
        plan: what is measured, and on which images.
        out: folder for the results.
        name: of the curve; by default that of the checkpoint's folder.
        dedicated: checkpoints of models that were trained for one lambda.
        lambdas: only these; by default all that were trained.
        widths: likewise.
        transfer: also show each lambda the adversarial images of every other.

    Returns:
        The path of the trade-off file ``out/NAME.tradeoff.json``, and what it holds.

    Raises:
        StormbenchError: see ``stormbench.errors``; finished points are kept.
    """
    checkpoint, out = Path(checkpoint), Path(out)
    card, title = read_card(checkpoint), name or checkpoint.resolve().parent.name
    if not is_plain_name(title):
        raise InputError(f"the name of a curve names its files: no path, at most 200 bytes, not {title!r}")
    grid = {
        width: {lam: _load(plan, identifier_at(checkpoint, lam, width)) for lam in lambdas or card.network.lambdas}
        for width in widths or card.network.widths
    }
    others = [_load(plan, str(path)) for path in dedicated]
    measured = [measure(plan, model, out / title) for models in grid.values() for model in models.values()]
    data, suite = measured[0][1].data, measured[0][1].suite
    found = Tradeoff(
        created=datetime.now(UTC).replace(microsecond=0),
        name=title,
        checkpoint=str(checkpoint),
        weights=card.weights,
        architecture=card.network.arch,
        data=data.name,
        fingerprint=data.fingerprint,
        suite=suite.name,
        norm=plan.ball.norm,
        eps=plan.ball.eps,
        budget=plan.budget.name,
        side=plan.side,
        points=[point for point, _ in measured],
        dedicated=[measure(plan, model, out / title)[0] for model in others],
        transfers=[each for width, models in grid.items() for each in transfers(plan, models, width)]
        if transfer
        else [],
    )
    path = out / f"{title}.tradeoff.json"
    write_tradeoff(found, path)
    return path, found


def _load(plan: Plan, identifier: str) -> Model:
    return load_model(f"oat:{identifier}", device=plan.device)
