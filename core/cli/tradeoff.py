"""``stormbench tradeoff``: accuracy, robustness and cost of a conditional model, at every lambda and width."""

from pathlib import Path
from typing import Annotated

import typer

from stormbench.cli import options
from stormbench.cli.attack import Norm


def tradeoff(
    checkpoint: Annotated[Path, typer.Argument(help="What `stormbench train oat` or `oats` wrote.")],
    data: options.Data,
    suite: options.Suite = "cifar-c",
    out: options.Out = Path("results"),
    name: Annotated[str | None, typer.Option(help="Of the curve; by default the checkpoint's folder.")] = None,
    dedicated: Annotated[
        list[Path] | None, typer.Option(help="What `stormbench train pgd` wrote; may be repeated.")
    ] = None,
    lambdas: Annotated[str | None, typer.Option(help="Only these: 0,0.2,1")] = None,
    widths: Annotated[str | None, typer.Option(help="Only these: 0.5,1")] = None,
    corruptions: options.Corruptions = None,
    severities: options.Severities = None,
    norm: Annotated[Norm, typer.Option(help="linf: largest change of a channel; l2: Euclidean length.")] = Norm.linf,
    eps: Annotated[str, typer.Option(help="Radius, for pixels in 0..1: 8/255")] = "8/255",
    budget: Annotated[str, typer.Option(help="curve, quick, standard or thorough.")] = "curve",
    no_transfer: Annotated[bool, typer.Option("--no-transfer", help="Leave out attacks across lambdas.")] = False,
    limit: options.Limit = None,
    attacked: Annotated[int, typer.Option(min=1, help="Attack only the first N images.")] = 200,
    seed: options.Seed = 0,
    workers: options.Workers = options.DEFAULT_WORKERS,
    batch_size: Annotated[int, typer.Option(min=1, help="Images that go through a model at once.")] = 50,
    device: options.Device = "cpu",
) -> None:
    """Scores and attacks CHECKPOINT at every lambda and width, and prints one table; a second try continues."""
    from stormbench.benchmarks.experiments.points import Plan
    from stormbench.benchmarks.experiments.tradeoff import tradeoff as run
    from stormbench.benchmarks.suites.registry import corruption_suite
    from stormbench.cli.tables.tradeoffs import print_tradeoff
    from stormbench.datasets import open_images
    from stormbench.defenses.attacks import Ball
    from stormbench.defenses.robustness.budgets import find_budget

    plan = Plan(
        images=open_images(data),
        suite=corruption_suite(suite).narrowed(
            options.names(corruptions, "--corruptions"), options.integers(severities, "--severities")
        ),
        ball=Ball(norm.value, options.fraction(eps, "--eps")),
        budget=find_budget(budget),
        limit=limit,
        attacked=attacked,
        seed=seed,
        workers=workers,
        batch_size=batch_size,
        device=device,
        report=_tell,
    )
    path, found = run(
        checkpoint,
        plan,
        out=out,
        name=name,
        dedicated=dedicated or (),
        lambdas=options.numbers(lambdas, "--lambdas") if lambdas else None,
        widths=options.numbers(widths, "--widths") if widths else None,
        transfer=not no_transfer,
    )
    print_tradeoff(found, path)


def _tell(what: str, done: int, total: int) -> None:
    if done >= total:
        typer.echo(f"{what}: {total} images done", err=True)
