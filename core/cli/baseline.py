"""``stormbench baseline``: a run as what other runs are measured against."""

from pathlib import Path
from typing import Annotated

import typer

from stormbench.cli import options


def baseline(
    result: Annotated[Path, typer.Argument(help="Result file of a measured run, of images or of sequences.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the baseline goes, a .json file.")],
    force: options.Force = False,
) -> None:
    """Turns a run into a baseline file, to be kept and passed as --baseline."""
    from stormbench.benchmarks.analysis.baselines import as_baseline
    from stormbench.benchmarks.results.run import Run
    from stormbench.metrics.baselines import write_baseline

    options.refuse_overwriting(out, result, force)
    made = as_baseline(Run.open(result))
    write_baseline(made, out)
    typer.echo(f"{out}: {made.source}")
