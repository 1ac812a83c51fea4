"""The command line: one file a subcommand, each of which parses, calls one public function and prints."""

import logging
import os
import sys

import typer

from stormbench.cli import compare, demo, generate, leaderboard, listing, score, show, train
from stormbench.errors import StormbenchError

app = typer.Typer(
    name="stormbench",
    help="The robustness benchmark suite for image classifiers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.command()(demo.demo)
app.command(name="list")(listing.show)
app.command()(score.score)
app.command()(generate.generate)
app.command()(leaderboard.leaderboard)
app.command()(compare.compare)
app.command()(show.show)
app.add_typer(train.app, name="train")


def main() -> None:
    """Runs the command line.

    Exit codes: 0; 1 for our own errors (one line, no traceback); 2 for usage; 130 when interrupted.
    """
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    try:
        app(standalone_mode=True)
    except StormbenchError as error:
        typer.echo(f"stormbench: {error}", err=True)
        if os.environ.get("STORMBENCH_TRACEBACK"):
            raise
        sys.exit(1)
