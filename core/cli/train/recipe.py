"""``stormbench train RECIPE``: a network trained as the literature has it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from stormbench.cli import options
from stormbench.cli.train.conditional import Data, Devices, PrecisionName, PrecisionOption, Side, tell

if TYPE_CHECKING:
    from stormbench.benchmarks.training.recipes import Estimate
    from stormbench.defenses.training.loop import Progress

HIDDEN = "recipe"


class RecipeGroup(TyperGroup):
    """A group in which a first word that is no command is the name or the file of a recipe."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # typer brings a click of its own, or uses click's
        """See ``click.Group``: an unknown word becomes the first argument of the hidden command."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = [HIDDEN, *args]
        return super().resolve_command(ctx, args)


def recipe(
    name: Annotated[str, typer.Argument(metavar="RECIPE", help="`stormbench list recipes`, or a .toml file.")],
    data: Data,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of model.safetensors.")],
    arch: Annotated[
        str, typer.Option(help="small, resnet18, resnet34, preactresnet18, wrn-16-8, ..., torchvision:NAME, timm:NAME.")
    ] = "small",
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the images, instead of the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Images per step, instead of the recipe's.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Changes one setting of the recipe: --set inner.steps=7")
    ] = None,
    unlabelled: Annotated[
        str | None, typer.Option(help="Further images, whose own labels are not used: for rst and rst-trades.")
    ] = None,
    teacher: Annotated[str | None, typer.Option(help="Who labels them: net:standard/model.safetensors")] = None,
    mean: options.Mean = None,
    std: options.Std = None,
    size: Side = None,
    seed: options.Seed = 0,
    limit: options.Limit = None,
    device: options.Device = "cpu",
    devices: Devices = 1,
    precision: PrecisionOption = PrecisionName.full,
) -> None:
    """Trains a network by RECIPE; a second try continues an interrupted one."""
    from stormbench.benchmarks.training.recipes import train_recipe
    from stormbench.cli.progress import progress
    from stormbench.datasets import Geometry, open_images
    from stormbench.defenses.training.recipe import read_recipe

    if (unlabelled is None) != (teacher is None):
        raise typer.BadParameter("--unlabelled and --teacher go together", param_hint="--unlabelled")
    given = {"epochs": epochs, "batch": batch_size}
    changes = [f"{key}={value}" for key, value in given.items() if value is not None]
    how = read_recipe(name).changed([*changes, *(settings or []), f"seed={seed}"])
    images = open_images(data)
    images = images if limit is None else images.subset(range(min(limit, len(images))))
    typer.echo(f"{how.name}: {how.source}", err=True)
    for departure in how.departures:
        typer.echo(f"  departs from its source: {departure}", err=True)
    with progress("training") as bar:

        def report(step: "Progress") -> None:
            bar(step.images, step.total)
            tell(step)

        path, card = train_recipe(
            how,
            images,
            out,
            arch=arch,
            unlabelled=open_images(unlabelled) if unlabelled else None,
            teacher=teacher,
            mean=options.three_fractions(mean, "--mean") or (0.0, 0.0, 0.0),
            std=options.three_fractions(std, "--std") or (1.0, 1.0, 1.0),
            geometry=Geometry(size, size) if size else None,
            device=device,
            devices=devices,
            precision=precision.value,
            report=report if devices == 1 else tell,
            estimate=announce,
        )
    if (pseudo := card.data.get("pseudo")) and pseudo["agreement"] is not None:
        typer.echo(
            f"pseudo-labels of {pseudo['teacher']}: {100 * pseudo['agreement']:.1f} % agree with the images' own"
        )
    if card.collapsed:
        kept = "; the weights of the epoch before are kept" if how.on_collapse == "stop" else ""
        typer.echo(f"catastrophic overfitting in epoch {card.collapsed}{kept}")
    typer.echo(f"wrote {path}: {card.network.arch} by {how.name}, recipe {card.recipe_digest[:12]}")
    typer.echo(f"use it as net:{path}")


def announce(estimate: "Estimate") -> None:
    """Prints what a training will cost."""
    minutes = f"{estimate.seconds / 60:.1f} minutes" if estimate.seconds >= 60 else f"{estimate.seconds:.0f} seconds"
    typer.echo(f"{estimate.passes:.3g} passes per image and step; about {minutes} at the speed of 3 steps", err=True)
