"""``stormbench verify``: a result, by asking the model again."""

from pathlib import Path
from typing import Annotated

import typer


def verify(
    path: Annotated[Path, typer.Argument(help="A result file.")],
    model: Annotated[str, typer.Option(help="The model that was scored: SOURCE:NAME.")],
    data: Annotated[str, typer.Option(help="The images that it was scored on.")],
    sample: Annotated[float, typer.Option(min=0, max=1, help="Share of the predictions to recompute.")] = 0.02,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the sample; by default nobody knows it.")] = None,
    released: Annotated[
        Path | None, typer.Option(help="The corrupted set, where the result was scored on one.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
) -> None:
    """Recomputes a random sample of a result's predictions and records beside it how many came out the same."""
    from stormbench.benchmarks.verification import verify as run
    from stormbench.benchmarks.verification_records import write_verification
    from stormbench.cli.progress import progress
    from stormbench.errors import ResultError

    with progress("verifying") as report:
        found = run(path, model, data, sample=sample, seed=seed, released=released, device=device, progress=report)
    record = write_verification(found, path)
    said = f"{found.equal:,} of {found.recomputed:,} recomputed predictions are those of {path} (recorded in {record})"
    if not found.passed:
        raise ResultError(f"only {said}: the result does not hold")
    typer.echo(said)
