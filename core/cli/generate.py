"""``stormbench generate``: a corrupted image set on disk."""

from pathlib import Path
from typing import Annotated

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
    skip_broken: options.SkipBroken = False,
    resize: Annotated[int | None, typer.Option(min=1, help="Short side, instead of the suite's.")] = None,
    crop: Annotated[int | None, typer.Option(min=16, help="Side of the centre crop, instead of the suite's.")] = None,
    interpolation: Annotated[str | None, typer.Option(help="nearest, bilinear, bicubic, ...")] = None,
) -> None:
    """Writes the corrupted images of SOURCE to OUT; a second try continues an interrupted one."""
    from stormbench.benchmarks.generating import generate as run
    from stormbench.benchmarks.suites import SUITES
    from stormbench.cli.progress import progress

    with progress("generating") as report:
        manifest = run(
            source,
            out,
            SUITES[suite].resized(resize, crop, interpolation),
            corruptions=options.names(corruptions),
            severities=options.integers(severities),
            limit=limit,
            seed=seed,
            workers=workers,
            skip_broken=skip_broken,
            progress=report,
        )
    typer.echo(f"{out}: {manifest.images} images, {len(manifest.cells)} cells each, {len(manifest.skipped)} skipped")
