"""``python -m stormbench.benchmarks.speed``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stormbench.benchmarks.evaluation.inputs import check_device
from stormbench.benchmarks.speed.feed import feed, feed_table, files_of, network, peer_feed
from stormbench.benchmarks.speed.feed import stand_in as waiting
from stormbench.benchmarks.speed.measure import imagecorruptions, machine, measure, ours, photographs, reference_module
from stormbench.benchmarks.speed.page import measure_page
from stormbench.benchmarks.speed.report import footnotes, speed_table
from stormbench.cells import Cell
from stormbench.cli.options import integers, names
from stormbench.corruptions import C_BAR, CORRUPTIONS, IMAGENET_C, SEVERITIES
from stormbench.errors import StormbenchError
from stormbench.metrics import TEST_CORRUPTIONS


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
    pipeline: Annotated[
        bool, typer.Option("--pipeline", help="Instead, feed a model: cells a second made, handed over and asked.")
    ] = False,
    device: Annotated[str, typer.Option(help="With --pipeline: where ResNet-50 is asked.")] = "cpu",
    stand_in: Annotated[
        float | None, typer.Option(min=0, help="With --pipeline: a wait of so many ms a batch, in place of ResNet-50.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every number, instead of the table.")] = False,
) -> None:
    """Times stormbench beside imagecorruptions-imaug and the given modules; or the leaderboard; or a model's feed."""
    if page:
        speed = measure_page(page)
        typer.echo(json.dumps({"machine": machine(), "typical_sort": speed.typical_sort} | asdict(speed), indent=1))
        return
    if pipeline:
        cells = [
            (name, severity)
            for name in names(corruptions, "--corruptions") or TEST_CORRUPTIONS
            for severity in integers(severities, "--severities") or [3]
        ]
        _pipeline(cells, photos, device, stand_in, as_json)
        return
    try:
        contenders = [ours(), imagecorruptions(), *(reference_module(path) for path in modules or [])]
        chosen = names(corruptions, "--corruptions") or (*IMAGENET_C, *C_BAR["imagenet"])
        for name in chosen:
            CORRUPTIONS[name]
        results = list(
            measure(
                contenders,
                chosen,
                integers(severities, "--severities") or SEVERITIES,
                photographs()[:photos],
                times=times,
            )
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


def _pipeline(cells: list[Cell], photos: int, device: str, waits: float | None, as_json: bool) -> None:
    """Feeds a model as ``score`` does, and as torch's DataLoader does with imagecorruptions-imaug."""
    try:
        check_device(device)
        for name, _ in cells:
            CORRUPTIONS[name]
        job = files_of(photographs()[:photos]), cells, network(device) if waits is None else waiting(waits), device
        results = [feed(*job), peer_feed(*job, imagecorruptions())]
    except StormbenchError as error:
        typer.echo(f"stormbench: {error}", err=True)
        raise typer.Exit(1) from None
    asked = f"ResNet-50 on {device}" if waits is None else f"a stand-in for the model: {waits:g} ms a batch"
    if as_json:
        facts = {"machine": machine(), "asked": asked}
        typer.echo(json.dumps(facts | {"feeds": [asdict(result) for result in results]}, indent=1))
        return
    what = f"{photos} images a batch; {asked}; {machine()['processor']}, load {machine()['load']}"
    Console().print(feed_table(results, what))


if __name__ == "__main__":
    typer.run(main)
