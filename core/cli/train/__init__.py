"""``stormbench train``: fits a defense."""

import typer

from stormbench.cli.train import conditional, rain, recipe

__all__ = ["app"]

app = typer.Typer(
    help="Trains a network by a recipe (`stormbench train RECIPE`), or fits a defense to a model.",
    no_args_is_help=True,
    cls=recipe.RecipeGroup,
)
for command in (rain.rain, conditional.oat, conditional.oats, conditional.pgd):
    app.command()(command)
app.command(name=recipe.HIDDEN, hidden=True)(recipe.recipe)
