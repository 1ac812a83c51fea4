"""``stormbench score --precision``: as many passes as the precision takes, and no more."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from stormbench.benchmarks.models.model import Model
    from stormbench.benchmarks.suites.corruptions import Suite


def refuse(sequences: bool, skip_broken: bool, released: Path | None, baseline: str | None) -> None:
    """Refuses options that a run with a chosen precision cannot keep, each in a sentence.

    Raises:
        typer.BadParameter: one of them was given.
    """
    reasons = {
        "suites of sequences are scored in full": sequences,
        "--skip-broken needs a look at every image beforehand; leave it out, or leave --precision out": skip_broken,
        "cells are made on the fly; leave --released out, or leave --precision out": released is not None,
        "the precision is that of the suite's own figure; leave --baseline out": baseline is not None,
    }
    for reason, given in reasons.items():
        if given:
            raise typer.BadParameter(reason, param_hint="--precision, --budget")


def score(model: "Model", data: str, suite: "Suite", **how: Any) -> None:
    """Scores a model to a precision or within a budget, and prints its table."""
    from stormbench.benchmarks.analysis.sample_summary import summarise_sample
    from stormbench.benchmarks.evaluation.evaluate_sampled import evaluate_sampled
    from stormbench.cli.progress import progress
    from stormbench.cli.tables.samples import print_sample

    del how["skip_broken"], how["released"]
    with progress("scoring", "passes") as report:
        sample = evaluate_sampled(model, data, suite, progress=report, **how)
    print_sample(summarise_sample(sample))
