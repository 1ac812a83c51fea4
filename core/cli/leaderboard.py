"""``stormbench leaderboard``: all results of a folder, the best first."""

from pathlib import Path
from typing import Annotated

import typer


def leaderboard(
    results: Annotated[Path, typer.Argument(help="Folder with result files.")] = Path("results"),
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write a page and tables into this folder.")] = None,
) -> None:
    """Prints all results of a folder as one table, or writes them as a page, CSV, Markdown and LaTeX."""
    from stormbench.benchmarks.results import find_results
    from stormbench.benchmarks.summary import suite_baseline, summarise
    from stormbench.cli.tables import print_leaderboard

    found = find_results(results)
    summaries = {path: summarise(path, result, suite_baseline(result.suite.name)) for path, result in found.items()}
    if out is None:
        print_leaderboard(list(summaries.values()))
        return
    from stormbench.benchmarks.leaderboard import build_boards, write_site

    typer.echo(write_site(build_boards(summaries), out))
