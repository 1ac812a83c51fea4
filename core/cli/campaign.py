"""``stormbench campaign``: recipes trained, scored and attacked alike, in one table."""

from pathlib import Path
from typing import Annotated

import typer

from stormbench.cli import options
from stormbench.cli.attack import Norm


def campaign(
    recipes: Annotated[list[str], typer.Argument(metavar="RECIPE...", help="Names, or .toml files.")],
    data: Annotated[str, typer.Option(help="Training images, as for `stormbench score`.")],
    test: Annotated[str, typer.Option(help="Test images, likewise.")],
    out: options.Out = Path("campaign"),
    name: Annotated[str | None, typer.Option(help="Of the campaign; by default the folder's.")] = None,
    arch: Annotated[str, typer.Option(help="Network; `stormbench list networks`.")] = "small",
    seeds: Annotated[str, typer.Option(help="Of the trainings: 0,1 or 0-4.")] = "0",
    epochs: Annotated[int | None, typer.Option(min=1, help="Of every recipe, instead of its own.")] = None,
    passes: Annotated[
        int | None, typer.Option(min=1, help="Passes per training image of every recipe: equal cost, not equal epochs.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Changes one setting of every recipe: --set space.eps=0.1")
    ] = None,
    suite: options.Suite = "cifar-c",
    corruptions: options.Corruptions = None,
    severities: options.Severities = None,
    norm: Annotated[Norm, typer.Option(help="Of the test's attacks.")] = Norm.linf,
    eps: Annotated[str, typer.Option(help="Their radius, for pixels in 0..1.")] = "8/255",
    budget: Annotated[str, typer.Option(help="curve, quick, standard or thorough.")] = "curve",
    train_limit: Annotated[int | None, typer.Option(min=1, help="Only the first N training images.")] = None,
    limit: options.Limit = None,
    attacked: Annotated[int, typer.Option(min=1, help="Attack only the first N test images.")] = 200,
    workers: options.Workers = options.DEFAULT_WORKERS,
    device: options.Device = "cpu",
) -> None:
    """Trains, scores and attacks every RECIPE, and prints one table; a second try continues."""
    from stormbench.benchmarks.experiments.campaign import CampaignPlan
    from stormbench.benchmarks.experiments.campaign import campaign as run
    from stormbench.benchmarks.suites.registry import corruption_suite
    from stormbench.cli.tables.campaigns import print_campaign
    from stormbench.datasets import open_images
    from stormbench.defenses.attacks import Ball
    from stormbench.defenses.robustness.budgets import find_budget
    from stormbench.defenses.training.recipe import read_recipe

    if epochs and passes:
        raise typer.BadParameter("--epochs and --passes exclude each other", param_hint="--passes")
    changes = [*([f"epochs={epochs}"] if epochs else []), *(settings or [])]
    train = open_images(data)
    plan = CampaignPlan(
        recipes=[read_recipe(each).changed(changes) for each in recipes],
        seeds=options.integers(seeds, "--seeds") or [0],
        train=train if train_limit is None else train.subset(range(min(train_limit, len(train)))),
        test=open_images(test),
        suite=corruption_suite(suite).narrowed(
            options.names(corruptions, "--corruptions"), options.integers(severities, "--severities")
        ),
        arch=arch,
        ball=Ball(norm.value, options.fraction(eps, "--eps")),
        budget=find_budget(budget),
        passes=passes,
        limit=limit,
        attacked=attacked,
        workers=workers,
        device=device,
        report=_tell,
    )
    path, found = run(plan, out, name=name)
    print_campaign(found, path)


def _tell(what: str, done: int, total: int) -> None:
    if done >= total:
        typer.echo(f"{what}: {total} images done", err=True)
