"""``stormbench generate``: a corrupted image set on disk."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stormbench.cli import options


def generate(
    source: Annotated[str, typer.Argument(help="Image folder (a class per sub-folder), .npz, .npy, CIFAR, digits.")],
    out: Annotated[Path, typer.Argument(help="Folder for the set: OUT/<corruption>/<severity>/<class>/<file>.")],
    suite: options.Suite = "imagenet-c",
    corruptions: options.Corruptions = None,
    severities: options.Severities = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    workers: options.Workers = options.DEFAULT_WORKERS,
    engine: options.EngineOption = options.Engine.local,
    scheduler: options.Scheduler = None,
    skip_broken: options.SkipBroken = False,
    resize: options.Resize = None,
    crop: options.Crop = None,
    interpolation: options.Interpolation = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format", help="folders (JPEG), png, npy, webdataset; sequences: mp4, npy. Default: the suite's."
        ),
    ] = None,
) -> None:
    """Writes the corrupted images, or the sequences, of SOURCE to OUT; a second try continues an interrupted one."""
    from stormbench.benchmarks.generation.generate import generate as run
    from stormbench.benchmarks.suites.registry import SUITES
    from stormbench.cli.progress import progress

    geometry: dict[str, Any] = {"resize": resize, "crop": crop, "interpolation": interpolation}
    with progress("generating") as report:
        manifest = run(
            source,
            out,
            SUITES[suite].resized(**geometry),
            corruptions=options.names(corruptions, "--corruptions"),
            severities=options.integers(severities, "--severities"),
            limit=limit,
            seed=seed,
            workers=options.workers(engine, scheduler, workers),
            skip_broken=skip_broken,
            format=kind,
            progress=report,
        )
    made = f"{manifest.images} images, {len(manifest.cells)} cells each, {len(manifest.skipped)} skipped"
    typer.echo(options.printable(f"{out}: {made}"))
