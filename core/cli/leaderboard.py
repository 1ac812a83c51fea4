"""``stormbench leaderboard``: all results of a folder, the best first; ``leaderboard add`` takes in another."""

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from stormbench.cli import options


class _ShowByDefault(TyperGroup):
    """``stormbench leaderboard results/``: what is no subcommand is a folder to show."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Puts ``show`` in front of everything that names no subcommand and does not ask for help."""
        first = next(iter(args), None)
        named = first in self.commands or first in ("--help", "--install-completion", "--show-completion")
        return super().parse_args(ctx, args if named else ["show", *args])


app = typer.Typer(
    cls=_ShowByDefault, help="All results of a folder, the best first: `leaderboard RESULTS \\[-o SITE]`."
)


@app.command()
def show(
    results: Annotated[Path, typer.Argument(help="Folder with result files.")] = Path("results"),
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write a page and tables into this folder.")] = None,
    published: Annotated[bool, typer.Option(help="Also show what others published on the same suite.")] = True,
    baseline: Annotated[
        list[str] | None, typer.Option(help="Name, .toml or .json to normalise its suite by; may be repeated.")
    ] = None,
) -> None:
    """Prints all results of a folder as one table, or writes them as a page, CSV, Markdown and LaTeX."""
    from stormbench.benchmarks.leaderboard import build_boards, find_baselines, read_curves, read_entries, write_site
    from stormbench.cli.tables.boards import print_boards
    from stormbench.cli.tables.tradeoffs import print_tradeoff
    from stormbench.errors import ResultError

    broken: list[str] = []
    boards = build_boards(read_entries(results, find_baselines(baseline or []), broken), published=published)
    curves = read_curves(results, broken)
    if out is not None:
        typer.echo(write_site(boards, out, curves))
    else:
        print_boards(boards)
        for curve in curves:
            print_tradeoff(curve.tradeoff, curve.path)
    if broken:
        raise ResultError(f"{len(broken)} broken files were left out: {'; '.join(broken)}")


@app.command()
def add(
    result: Annotated[Path, typer.Argument(help="A result file; its outcomes lie beside it.")],
    out: options.Out = Path("results"),
) -> None:
    """Checks somebody's RESULT or trade-off in full, recomputes every figure, and files it."""
    from stormbench.benchmarks.leaderboard import build_boards, is_curve
    from stormbench.benchmarks.leaderboard.submissions import add_curve, add_result
    from stormbench.cli.tables.boards import print_boards
    from stormbench.cli.tables.tradeoffs import print_tradeoff

    if is_curve(result):
        curve = add_curve(result, out)
        print_tradeoff(curve.tradeoff, curve.path)
        return
    run = add_result(result, out)
    print_boards(build_boards([run], published=False))
    typer.echo(run.path)
