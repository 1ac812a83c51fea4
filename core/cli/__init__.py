"""The command line: one file a subcommand, each of which parses, calls one public function and prints."""

import errno
import logging
import signal
import sys
from io import TextIOWrapper
from typing import Annotated, NoReturn

import typer

from stormbench._version import __version__
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


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stormbench {__version__}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also notes for debugging.")] = False,
) -> None:
    """The robustness benchmark suite for image classifiers."""
    if quiet and verbose:
        raise typer.BadParameter("--quiet and --verbose exclude each other", param_hint="--quiet")
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    logging.getLogger("stormbench").setLevel(level)
    _begun.append(context.invoked_subcommand or "")


# The commands that continue where they were stopped; the last one that was begun.
_CONTINUES = {"score", "attack", "tradeoff", "generate", "train"}
_KEPT = "; what was finished is kept, the same command again continues"
_begun = [""]

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
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("stormbench").setLevel(logging.INFO)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that knows fewer letters shows the others spelt out
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # unwinds, so that workers are ended too
    try:
        app(standalone_mode=True)
    except StormbenchError as error:
        _fail(str(error))
    except OSError as error:
        if error.strerror is None or error.errno == errno.EPIPE:
            raise
        named = f"{error.filename}: " if error.filename is not None else ""
        _fail(f"{named}{error.strerror}{_continues()}")
    except SystemExit as end:
        if end.code in (130, 143):
            typer.echo(f"stormbench: interrupted{_continues()}", err=True)
        raise


def _continues() -> str:
    return _KEPT if _begun[-1] in _CONTINUES else ""


def _fail(message: str) -> NoReturn:
    typer.echo(f"stormbench: {options.printable(message)}", err=True)
    sys.exit(1)
