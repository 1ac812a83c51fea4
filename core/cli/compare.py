"""``stormbench compare``: two or more models on the same images."""

import json
from pathlib import Path
from typing import Annotated

import typer


def compare(
    results: Annotated[list[Path], typer.Argument(help="Result files; the first is compared with each of the others.")],
    baseline: Annotated[str | None, typer.Option(help="Name, .toml or result .json to normalise by.")] = None,
    any_arithmetic: Annotated[
        bool, typer.Option("--any-arithmetic", help="Also runs in other precisions, or compiled ones with others.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Says which model is better, by how much and how surely, image by image."""
    from stormbench.benchmarks.analysis.compare import compare as run
    from stormbench.benchmarks.leaderboard import find_baselines
    from stormbench.cli.tables.comparisons import print_comparison

    (found,) = find_baselines([baseline]).values() if baseline else [None]
    comparisons = run(results, baseline=found, any_arithmetic=any_arithmetic)
    if as_json:
        typer.echo(json.dumps([comparison.as_json() for comparison in comparisons], indent=1))
        return
    for comparison in comparisons:
        print_comparison(comparison)
