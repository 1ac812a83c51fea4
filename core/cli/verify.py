"""``stormbench verify``: a generated set against its manifest, or a result by asking the model again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stormbench.cli import options

if TYPE_CHECKING:
    from stormbench.datasets.on_disk.checking import Findings

_NAMED_AT_MOST = 100


def verify(
    path: Annotated[Path, typer.Argument(help="The folder of a generated set, or a result file.")],
    model: Annotated[str | None, typer.Option(help="Results: the model that was scored, SOURCE:NAME.")] = None,
    data: Annotated[str | None, typer.Option(help="Results: the images that it was scored on.")] = None,
    sample: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of the files (by default all) or predictions (0.02) to look at."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the sample; by default nobody knows it.")] = None,
    released: Annotated[Path | None, typer.Option(help="Results: the corrupted set that was scored, if any.")] = None,
    device: Annotated[str, typer.Option(help="Results: cpu, cuda, cuda:1, ...")] = "cpu",
    repair: Annotated[bool, typer.Option("--repair", help="Sets: make missing and changed files again.")] = False,
    source: Annotated[str | None, typer.Option(help="Sets: the images, where they have moved since.")] = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
) -> None:
    """Holds a generated set against its manifest, or recomputes a random sample of a result's predictions."""
    if not path.exists():
        raise typer.BadParameter(f"there is no set and no result at {path}", param_hint="PATH")
    if path.is_dir():
        _verify_set(path, 1.0 if sample is None else sample, seed, repair, source, workers)
        return
    if repair:
        raise typer.BadParameter("a result cannot be repaired, only a generated set", param_hint="--repair")
    if model is None or data is None:
        raise typer.BadParameter("to verify a result give --model and --data", param_hint="--model, --data")
    _verify_result(path, model, data, 0.02 if sample is None else sample, seed=seed, released=released, device=device)


def _verify_result(path: Path, model: str, data: str, sample: float, **options: Any) -> None:
    from stormbench.benchmarks.evaluation.verify import verify as run
    from stormbench.benchmarks.results.verifications import write_verification
    from stormbench.cli.progress import progress
    from stormbench.errors import ResultError

    with progress("verifying") as report:
        found = run(path, model, data, sample=sample, progress=report, **options)
    record = write_verification(found, path)
    said = f"{found.equal:,} of {found.recomputed:,} recomputed predictions are those of {path} (recorded in {record})"
    if not found.passed:
        raise ResultError(f"only {said}: the result does not hold")
    typer.echo(said)


def _verify_set(root: Path, sample: float, seed: int | None, repair: bool, source: str | None, workers: int) -> None:
    from stormbench.benchmarks.generation.repair import repair_set, verify_set
    from stormbench.cli.progress import progress
    from stormbench.errors import DataError

    with progress("verifying", "lists") as report:
        found = verify_set(root, sample=sample, seed=seed, workers=workers, progress=report)
    _name(found)
    said = f"{root}: {found.checked:,} files checked, {_counts(found)}"
    if repair and (found.bad or found.damaged_lists):
        with progress("repairing", "pieces") as report:
            repair_set(root, found, source=source, workers=workers, progress=report)
        said, found = f"{said}; made again what was missing or changed", type(found)(extra=found.extra)
    if not found.sound:
        advice = "--repair makes missing and changed files again" if not repair else "remove what is extra"
        raise DataError(f"{said}; {advice}")
    typer.echo(said)


def _counts(found: "Findings") -> str:
    lists = f", {len(found.damaged_lists)} lists damaged" if found.damaged_lists else ""
    return f"{len(found.missing)} missing, {len(found.changed)} changed, {len(found.extra)} extra{lists}"


def _name(found: "Findings") -> None:
    """Prints what is wrong, a line a file."""
    named = [("missing", entry.path) for entry in found.missing] + [("changed", entry.path) for entry in found.changed]
    named += [("extra", path) for path in found.extra] + [("damaged list", name) for name in found.damaged_lists]
    for what, path in named[:_NAMED_AT_MOST]:
        typer.echo(f"{what:9s}{options.printable(path)}")
    if len(named) > _NAMED_AT_MOST:
        typer.echo(f"... and {len(named) - _NAMED_AT_MOST:,} more")
