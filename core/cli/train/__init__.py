"""``stormbench train``: fits a defense."""

import typer

from stormbench.cli.train import conditional, rain

__all__ = ["app"]

app = typer.Typer(help="Fits a defense to a model, or trains a model that is one.", no_args_is_help=True)
for command in (rain.rain, conditional.oat, conditional.oats, conditional.pgd):
    app.command()(command)
