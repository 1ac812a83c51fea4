"""The command line: one file a subcommand, each of which parses, calls one public function and prints."""

import logging
import signal
import sys

import typer

from stormbench.cli import attack, baseline, compare, demo, generate, leaderboard, listing, score, show, train, verify
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
app.command()(attack.attack)
app.command()(generate.generate)
app.command()(baseline.baseline)
app.add_typer(leaderboard.app, name="leaderboard")
app.command()(verify.verify)
app.command()(compare.compare)
app.command()(show.show)
app.add_typer(train.app, name="train")


def main() -> None:
    """Runs the command line.

    Exit codes: 0; 1 for our own errors (one line, no traceback); 2 for usage; 130 when interrupted.
    """
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # unwinds, so that workers are ended too
    try:
        app(standalone_mode=True)
    except StormbenchError as error:
        typer.echo(f"stormbench: {error}", err=True)
        sys.exit(1)
    except SystemExit as end:
        if end.code in (130, 143):
            typer.echo("stormbench: interrupted; what was finished is kept, the same command again continues", err=True)
        raise
