"""``stormbench score --precision``: as many passes as the precision takes, and no more."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from stormbench.benchmarks.evaluation.options import RunOptions
    from stormbench.benchmarks.models.model import Model
    from stormbench.benchmarks.suites.registry import Suite


def score(
    model: "Model",
    data: str,
    suite: "Suite",
    how: "RunOptions",
    *,
    precision: float | None,
    budget: int | None,
    baseline: str | None,
) -> None:
    """Scores a model to a precision or within a budget, and prints its table."""
    from stormbench.benchmarks.analysis.sample_summary import summarise_sample
    from stormbench.benchmarks.evaluation.sampled.evaluate import evaluate_sampled
    from stormbench.cli.tables.samples import print_sample

    if baseline is not None:
        reason = "the precision is that of the suite's own figure; leave --baseline out, or leave --precision out"
        raise typer.BadParameter(reason, param_hint="--baseline")
    print_sample(summarise_sample(evaluate_sampled(model, data, suite, how, precision=precision, budget=budget)))
