"""``stormbench train rain``: fits an enhancer to a classifier."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from stormbench.cli import options

if TYPE_CHECKING:
    from stormbench.defenses.rain.enhancers import UpsamplerName


def rain(
    model: options.Model,
    data: Annotated[str, typer.Option(help="Training images, as for `stormbench score`.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the enhancer goes: NAME.safetensors.")],
    restoration_epochs: Annotated[int, typer.Option(min=0, help="Passes that restore pictures.")] = 3,
    task_epochs: Annotated[int, typer.Option(min=0, help="Passes through the frozen classifier.")] = 5,
    batch_size: Annotated[int, typer.Option(min=1, help="Images per step.")] = 64,
    restoration_rate: Annotated[float, typer.Option(help="Adam's largest learning rate in the first part.")] = 2e-3,
    task_rate: Annotated[float, typer.Option(help="Likewise in the second.")] = 1e-3,
    features: Annotated[int, typer.Option(min=1, help="Channels of the small enhancer.")] = 32,
    blocks: Annotated[int, typer.Option(min=0, help="Residual blocks of the small enhancer.")] = 3,
    shift: Annotated[float, typer.Option(help="RAIN's largest shift, as a share of the halved side.")] = 0.05,
    start: Annotated[str | None, typer.Option(help="Start from UPSAMPLER=FILE: edsr=edsr_baseline_x2.pt")] = None,
    moving_batch_norm: Annotated[
        bool, typer.Option("--moving-batch-norm", help="As the published code: also writes the changed classifier.")
    ] = False,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    mean: options.Mean = None,
    std: options.Std = None,
    resize: Annotated[int | None, typer.Option(min=1, help="Short side before the crop.")] = None,
    crop: Annotated[int | None, typer.Option(min=16, help="Side of the centre crop.")] = None,
) -> None:
    """Trains RAIN's detail enhancer for MODEL; a second try continues an interrupted one."""
    from stormbench.benchmarks.models.loading import load_model
    from stormbench.benchmarks.training.rain import train_rain
    from stormbench.cli.progress import progress
    from stormbench.datasets import Geometry, open_images
    from stormbench.defenses.rain.training import Step, TrainingSettings

    loaded = load_model(
        model,
        mean=options.three_fractions(mean, "--mean"),
        std=options.three_fractions(std, "--std"),
    )
    images = open_images(data)
    chosen = images if limit is None else images.subset(range(min(limit, len(images))))
    settings = TrainingSettings(
        restoration_epochs=restoration_epochs,
        task_epochs=task_epochs,
        batch_size=batch_size,
        restoration_rate=restoration_rate,
        task_rate=task_rate,
        moving_batch_norm=moving_batch_norm,
        seed=seed,
    )
    with progress("training") as bar:

        def report(step: Step) -> None:
            bar(step.images, step.total)
            if step.images % len(chosen) == 0:
                typer.echo(f"epoch {step.epoch + 1} of {step.epochs}, {step.part}: last loss {step.loss:.4f}", err=True)

        written = train_rain(
            loaded,
            chosen,
            out,
            settings,
            geometry=Geometry(resize, crop) if resize or crop else None,
            features=features,
            blocks=blocks,
            shift=shift,
            start=_start(start),
            device=device,
            report=report,
        )
    upsampler = start.partition("=")[0] if start else "small"
    if moving_batch_norm:
        typer.echo(f"wrote {out.with_suffix('.classifier.safetensors')}: the classifier, whose statistics have moved")
    typer.echo(f"wrote {written}; use it as --defense rain:upsampler={upsampler},weights={written}")


def _start(text: str | None) -> "tuple[UpsamplerName, Path] | None":
    if text is None:
        return None
    upsampler, _, path = text.partition("=")
    return cast("UpsamplerName", upsampler), Path(path)  # load_enhancer refuses an unknown one
