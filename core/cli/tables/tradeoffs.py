"""A trade-off as tables on the terminal."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from stormbench.benchmarks.analysis.tradeoff import by_width, gaps, rank_correlation
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.tradeoffs import Point, Share, Tradeoff

_WIDTH_OF_FILES = 160


def print_tradeoff(found: Tradeoff, path: Path) -> None:
    """Prints a row a point and dedicated model, what they say together, and who fools whom across lambdas."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    console.print(f"{shown(found.name)}: {shown(found.architecture)}, {shown(found.data)}, {shown(found.suite)}")
    console.print(f"attacked with {found.norm} {found.eps:.4g}, {shown(found.budget)} budget")
    console.print(_points(found))
    for width, points in by_width(found).items():
        if (rho := rank_correlation(points)) is not None:
            console.print(f"width {width:g}: Spearman's correlation of lambda and robust accuracy {rho:.2f}")
    for gap in gaps(found):
        console.print(
            f"lambda {gap.lam:g}, less its dedicated model: clean {gap.clean:+.1f}, robust {gap.robust:+.1f} points"
        )
    for width in sorted({each.width for each in found.transfers}):
        console.print(_transfers(found, width))
    console.print(str(path))


def _points(found: Tradeoff) -> Table:
    attacks = list(found.points[0].attacks)
    table = Table("", caption="right answers (corrupted: wrong ones) in %; brackets hold the true figure in 95 of 100")
    for heading in ("lambda", "width", "clean", "all attacks", *map(_short, attacks), "corrupted", "MFLOPs", "weights"):
        table.add_column(heading, justify="right", no_wrap=True)
    for what, points in (("", found.points), ("dedicated", found.dedicated)):
        for point in points:
            table.add_row(what, *_row(point, attacks))
        table.add_section()
    return table


def _row(point: Point, attacks: list[str]) -> list[str]:
    alone = [Share(count=point.attacks[attack], images=point.robust.images) for attack in attacks]
    return [
        f"{point.lam:g}",
        f"{point.width:g}",
        _share(point.clean),
        _share(point.robust),
        *(f"{100 * each.value:.1f}" for each in alone),
        f"{100 * point.corrupted.value:.1f}" if point.corrupted else "",
        f"{point.operations / 1e6:.2f}",
        f"{point.parameters:,}",
    ]


def _short(attack: str) -> str:
    """``apgd:loss=dlr,steps=20`` as ``apgd-dlr-20``."""
    name, _, rest = attack.partition(":")
    settings = dict(part.split("=", 1) for part in rest.split(",") if "=" in part)
    return shown("-".join(filter(None, (name, settings.get("loss"), settings.get("steps")))), longest=20)


def _transfers(found: Tradeoff, width: float) -> Table:
    """Rows: where the attack was made; columns: who answers."""
    rows = [each for each in found.transfers if each.width == width]
    lambdas = sorted({each.tested_at for each in rows})
    right = {(each.made_at, each.tested_at): each.right for each in rows}
    images, attack = rows[0].right.images, shown(rows[0].attack, longest=80)
    caption = f"right answers in %, {images} images, {attack}; a row for the lambda that the attack was made at"
    table = Table(f"width {width:g}", caption=caption)
    for tested_at in lambdas:
        table.add_column(f"answered at {tested_at:g}", justify="right")
    for made_at in lambdas:
        table.add_row(
            f"made at {made_at:g}", *(f"{100 * right[made_at, tested_at].value:.1f}" for tested_at in lambdas)
        )
    return table


def _share(share: Share) -> str:
    low, high = share.interval
    return f"{100 * share.value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
