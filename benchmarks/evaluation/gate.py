"""Decides whether a new model is worse than a base, scoring only as many passes as the decision takes."""

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Unpack

from stormbench.benchmarks.evaluation.options import Options, RunOptions
from stormbench.benchmarks.evaluation.sampled.evaluate import evaluate_sampled
from stormbench.benchmarks.models.loading import load_model
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.passes import Passes, paired_differences
from stormbench.benchmarks.results.samples import Sample
from stormbench.benchmarks.suites.registry import Suite, corruption_suite
from stormbench.benchmarks.suites.weights import weighting
from stormbench.datasets import ImageSet
from stormbench.errors import InputError
from stormbench.metrics.gate import GateDecision, Verdict, gate_decision

_FIRST_STAGE = 20
# Passes of each model within which a gate with a margin of one point answers 4 times of 5 where the models differ from
# the margin by a point and disagree on 13 % of the passes (docs/quick.md); smaller margins need 1 / margin^2 as many.
_BUDGET = 30_000
_LEAST_MARGIN = 0.25

Contestant = str | Path | Model


@dataclass(frozen=True)
class Gated:
    """A decision and what it rests on."""

    new: Passes
    base: Passes
    decision: GateDecision


def gate(
    new: Contestant,
    base: Contestant,
    data: str | Path | ImageSet | None = None,
    suite: str | Suite = "imagenet-c",
    options: RunOptions | None = None,
    *,
    margin: float,
    budget: int | None = None,
    **changes: Unpack[Options],
) -> Gated:
    """Says whether ``new`` is worse than ``base`` by more than a margin in mCE (or the plain mean error).

    Models are scored on the same passes of one plan, stage by stage, until the answer is sure or the budget is spent.
    Each of the two false answers has a probability of at most 5 %, however often the gate is asked about these models.

    Args:
        new: a model, how to load one, or the result (``.json``) of a full run or of one with a chosen precision.
        base: likewise.
        data: the images; not needed where both are results.
        suite: a suite of images, or its name; where both are results it is theirs.
        margin: in points, 0 or more.
        budget: the most passes of each model; by default 30,000; for margins below one point 30,000 / margin^2.
        options: how models are scored. Where one side is a result, its seed is used.
        changes: fields of ``RunOptions`` by name, which take precedence.

    Raises:
        InputError: the margin is below 0, or a model is to be scored and no data are given.
        ResultError: the results were not made of the same pixels.
        StormbenchError: see ``stormbench.errors``; whatever was finished is kept.
    """
    if not 0 <= margin < 100:
        raise InputError(f"the margin of a gate is in points, 0 or more and below 100, got {margin}")
    options, suite = (options or RunOptions()).altered(**changes), corruption_suite(suite)
    stored = [_stored(side) for side in (new, base)]
    known = [run for run in stored if run]
    if data is None and len(known) < 2:
        raise InputError("a model is to be scored, so the images are needed (data)")
    cells = len(known[0].cells) if known else len(suite.cells)
    budget = budget or int(_BUDGET / min(1.0, max(margin, _LEAST_MARGIN)) ** 2)
    if budget < cells:
        raise InputError(f"a budget must allow one block of {cells} passes, got {budget}")
    most = min([budget // cells, *(len(run.wrong) for run in known)])
    options = options.altered(seed=known[0].settings.seed) if known else options

    def scored(model: Model, blocks: int) -> Sample:
        assert data is not None
        return evaluate_sampled(model, data, suite, options, precision=None, budget=blocks * cells)

    sides = [run or _loaded(side) for run, side in zip(stored, (new, base), strict=True)]
    for blocks in [most] if len(known) == 2 else _stages(most):
        runs = [side if isinstance(side, Passes) else Passes.of(scored(side, blocks)) for side in sides]
        gated = _asked(*runs, blocks=blocks, margin=margin)
        if gated.decision.verdict is not Verdict.CANNOT_TELL:
            break
    return gated


def _loaded(side: Contestant) -> Model:
    return side if isinstance(side, Model) else load_model(str(side))


def _stored(side: Contestant) -> Passes | None:
    return None if isinstance(side, Model) or Path(side).suffix != ".json" else Passes.open(Path(side))


def _stages(most: int) -> list[int]:
    """After how many blocks the gate is asked: each time half as many again, the last time at the end.

    Example:
        >>> _stages(70), _stages(7)
        ([20, 30, 45, 68, 70], [7])
    """
    stages = [min(_FIRST_STAGE, most)]
    while stages[-1] < most:
        stages.append(min(most, ceil(1.5 * stages[-1])))
    return stages


def _asked(new: Passes, base: Passes, *, blocks: int, margin: float) -> Gated:
    differences = paired_differences(new, base)[:blocks]
    weights = weighting(new.settings.suite.name, new.cells).weights
    return Gated(new, base, gate_decision(differences, weights, len(new.keys), margin))
