"""The command line: one file a subcommand, each of which parses, calls one public function and prints."""

import errno
import logging
import signal
import sys
from typing import NoReturn

import typer

from stormbench.cli import (
    attack,
    baseline,
    campaign,
    compare,
    demo,
    gate,
    generate,
    leaderboard,
    listing,
    options,
    score,
    show,
    tradeoff,
    train,
    verify,
)
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
app.command()(tradeoff.tradeoff)
app.command()(campaign.campaign)
app.command()(generate.generate)
app.command()(baseline.baseline)
app.add_typer(leaderboard.app, name="leaderboard")
app.command()(verify.verify)
app.command()(compare.compare)
app.command()(gate.gate)
app.command()(show.show)
app.add_typer(train.app, name="train")


def main() -> None:
    """Runs the command line.

    Exit codes: 0; 1 for our own errors and a disk's (one line, no traceback); 2 for usage; 130 when interrupted.
    """
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # unwinds, so that workers are ended too
    try:
        app(standalone_mode=True)
    except StormbenchError as error:
        _fail(str(error))
    except OSError as error:
        if error.strerror is None or error.errno == errno.EPIPE:
            raise
        named = f"{error.filename}: " if error.filename is not None else ""
        _fail(f"{named}{error.strerror}; what was finished is kept, the same command again continues")
    except SystemExit as end:
        if end.code in (130, 143):
            typer.echo("stormbench: interrupted; what was finished is kept, the same command again continues", err=True)
        raise


def _fail(message: str) -> NoReturn:
    typer.echo(f"stormbench: {options.printable(message)}", err=True)
    sys.exit(1)
