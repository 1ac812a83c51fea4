"""``stormbench leaderboard``: all results of a folder, the best first."""

from pathlib import Path
from typing import Annotated

import typer


def leaderboard(
    results: Annotated[Path, typer.Argument(help="Folder with result files.")] = Path("results"),
) -> None:
    """Prints all results of a folder as one table."""
    from stormbench.benchmarks.results import find_results
    from stormbench.benchmarks.summary import suite_baseline, summarise
    from stormbench.cli.tables import print_leaderboard

    found = find_results(results)
    print_leaderboard([summarise(path, result, suite_baseline(result.suite.name)) for path, result in found.items()])
