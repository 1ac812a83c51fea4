"""``python -m stormbench.benchmarks.speed``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stormbench.benchmarks.speed.measure import imagecorruptions, machine, measure, ours, photographs, reference_module
from stormbench.benchmarks.speed.page import measure_page
from stormbench.benchmarks.speed.report import footnotes, speed_table
from stormbench.benchmarks.speed.training import measure_training
from stormbench.cli.options import integers, names
from stormbench.corruptions import CORRUPTIONS, SEVERITIES
from stormbench.errors import StormbenchError


def main(
    modules: Annotated[
        list[Path] | None, typer.Argument(help="Python files with functions of the reference's signature.")
    ] = None,
    corruptions: Annotated[str | None, typer.Option(help="fog,snow,...; all if not given.")] = None,
    severities: Annotated[str | None, typer.Option(help="3 or 1,3,5; all if not given.")] = None,
    photos: Annotated[int, typer.Option(min=1, max=16, help="How many photographs.")] = 12,
    times: Annotated[int, typer.Option(min=1, help="Calls for each photograph; their median counts.")] = 5,
    page: Annotated[
        int | None, typer.Option(min=1, help="Instead, build a leaderboard of so many results and sort it.")
    ] = None,
    training: Annotated[
        str | None, typer.Option(metavar="ARCH", help="Instead, the training loop beside a bare one: small, ...")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every number, instead of the table.")] = False,
) -> None:
    """Times stormbench beside imagecorruptions-imaug and the given modules; or the page, or the training loop."""
    if training:
        trained = measure_training(arch=training)
        shares = {"overhead": trained.overhead, "attack_step": trained.attack_step}
        typer.echo(json.dumps({"machine": machine()} | shares | asdict(trained), indent=1))
        return
    if page:
        speed = measure_page(page)
        typer.echo(json.dumps({"machine": machine(), "typical_sort": speed.typical_sort} | asdict(speed), indent=1))
        return
    try:
        contenders = [ours(), imagecorruptions(), *(reference_module(path) for path in modules or [])]
        chosen = names(corruptions) or CORRUPTIONS
        for name in chosen:
            CORRUPTIONS[name]
        results = list(
            measure(contenders, chosen, integers(severities) or SEVERITIES, photographs()[:photos], times=times)
        )
    except StormbenchError as error:
        typer.echo(f"stormbench: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"machine": machine(), "cells": [asdict(result) for result in results]}, indent=1))
        return
    console = Console()
    console.print(speed_table(results, machine()))
    for line in footnotes(results):
        console.print(line, style="dim", highlight=False)


if __name__ == "__main__":
    typer.run(main)
