"""A campaign as a table on the terminal."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from stormbench.benchmarks.results.campaigns import Campaign, Figure
from stormbench.benchmarks.results.plain_text import shown

_WIDTH_OF_FILES = 200
_CAPTION = (
    "%; brackets: 95 % interval over images; (range over seeds). * trained on a group of the test's corruptions. "
    "Differences are on the same images."
)


def print_campaign(found: Campaign, path: Path) -> None:
    """Prints two tables with a row for each recipe: corruptions, and attacks."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    console.print(f"{shown(found.arch)} on {shown(found.train)}, tested on {shown(found.test)}, {shown(found.suite)}")
    attacked = found.networks[0].robust.images
    console.print(
        f"{found.networks[0].clean.images} images scored, {attacked} attacked with {found.norm} {found.eps:.4g}, "
        f"{shown(found.budget)} budget; seeds {', '.join(map(str, found.seeds))}"
    )
    console.print(_corruptions(found))
    console.print(_attacks(found))
    console.print(str(path))


def _corruptions(found: Campaign) -> Table:
    groups = list(found.rows[0].groups)
    table = Table(caption=_CAPTION)
    headings = ("passes", "s", "clean", "C-error", *groups, "without trained-on", "C-error less standard")
    for heading in ("recipe", *headings):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found.rows:
        own = [each.seconds for each in found.networks if each.recipe == row.recipe]
        table.add_row(
            shown(row.recipe) + ("*" if row.trained_on else ""),
            f"{row.total_passes:.4g}",
            f"{sum(own) / len(own):.0f}",
            _figure(row.clean),
            _figure(row.corrupted),
            *(f"{row.groups[group].value:.1f}" for group in groups),
            f"{row.unseen.value:.1f}" if row.unseen else "",
            _figure(row.less_standard, signed=True),
        )
    return table


def _attacks(found: Campaign) -> Table:
    table = Table(caption="accuracy in % under attack; a verdict for each seed where they differ")
    for heading in ("recipe", "all attacks", "first PGD less all", "robust less pgd-at", "verdict"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found.rows:
        own = [shown(each.verdict) for each in found.networks if each.recipe == row.recipe]
        table.add_row(
            shown(row.recipe),
            _figure(row.robust),
            _figure(row.gap),
            _figure(row.less_pgd, signed=True),
            "; ".join(dict.fromkeys(own)),
        )
    return table


def _figure(figure: Figure | None, *, signed: bool = False) -> str:
    if figure is None:
        return ""
    value = f"{figure.value:+.1f}" if signed else f"{figure.value:.1f}"
    spread = f" ({min(figure.seeds):.1f}..{max(figure.seeds):.1f})" if len(figure.seeds) > 1 else ""
    return f"{value} [{figure.low:.1f}, {figure.high:.1f}]{spread}"
