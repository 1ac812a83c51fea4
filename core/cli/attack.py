"""``stormbench attack``: what an adversary leaves of a model, bare or defended."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stormbench.cli import options
from stormbench.errors import InputError

if TYPE_CHECKING:
    from stormbench.defenses.robustness import Budget


class Norm(StrEnum):
    """How the size of a change is measured."""

    linf = "linf"
    l2 = "l2"


def attack(
    model: options.Model,
    data: options.Data,
    suite: options.Suite = "imagenet-c",
    out: options.Out = Path("results"),
    name: options.Name = None,
    defense: options.Defense = None,
    norm: Annotated[Norm, typer.Option(help="linf: largest change of a channel; l2: Euclidean length.")] = Norm.linf,
    eps: Annotated[str, typer.Option(help="Radius, for pixels in 0..1: 8/255")] = "8/255",
    budget: Annotated[
        str | None, typer.Option(help="How hard to try, standard by default; `stormbench list budgets` shows all.")
    ] = None,
    chosen: Annotated[
        list[str] | None,
        typer.Option("--attack", help="An attack in place of a budget: apgd:loss=dlr,targets=9; may be repeated."),
    ] = None,
    transfer: Annotated[
        list[str] | None, typer.Option(help="Another model to make transferred attacks on; may be repeated.")
    ] = None,
    limit: options.Limit = 200,
    seed: options.Seed = 0,
    workers: options.Workers = options.DEFAULT_WORKERS,
    batch_size: Annotated[int, typer.Option(min=1, help="Images that are attacked at once.")] = 50,
    device: options.Device = "cpu",
    skip_broken: options.SkipBroken = False,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    crop: options.Crop = None,
    interpolation: options.Interpolation = None,
) -> None:
    """Attacks MODEL with all that the budget allows, and says what is left; a second try continues."""
    from stormbench.benchmarks.evaluation.attack import attack as run
    from stormbench.benchmarks.models.loading import load_model
    from stormbench.benchmarks.suites.registry import corruption_suite
    from stormbench.cli.progress import progress
    from stormbench.cli.tables.attacks import print_attack

    geometry: dict[str, Any] = {"resize": resize, "crop": crop, "interpolation": interpolation}
    loaded = load_model(
        model, mean=options.three_fractions(mean, "--mean"), std=options.three_fractions(std, "--std"), **geometry
    )
    how: dict[str, Any] = {
        "out": out,
        "eps": options.fraction(eps, "--eps"),
        "norm": norm.value,
        "budget": _budget(budget, chosen),
        "name": name,
        "defense": defense,
        "sources": {source: source for source in transfer or ()},
        "limit": limit,
        "seed": seed,
        "workers": workers,
        "batch_size": batch_size,
        "device": device,
        "skip_broken": skip_broken,
    }
    with progress("attacking") as report:
        resized = corruption_suite(suite).resized(**geometry)
        path, result = run(loaded, data, resized, progress=report, announce=_announce, **how)
    print_attack(result, path)


def _budget(budget: str | None, attacks: list[str] | None) -> "str | Budget":
    """The budget by its name, or one made of the attacks that were named.

    Raises:
        InputError: both were given.
    """
    if not attacks:
        return budget or "standard"
    if budget:
        raise InputError(f"choose --budget {budget} or --attack {attacks[0]}, not both")
    from stormbench.defenses.robustness.budgets import chosen_attacks

    return chosen_attacks(attacks)


def _announce(passes: int, seconds: float) -> None:
    typer.echo(f"at most {passes} passes for each image, about {seconds / 60:.0f} minutes", err=True)
