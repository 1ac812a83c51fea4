"""An adversarial result as a table on the terminal."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from stormbench.benchmarks.analysis.names import model_name
from stormbench.benchmarks.results.images import Result
from stormbench.benchmarks.results.plain_text import shown
from stormbench.metrics.intervals import wilson

_WIDTH_OF_FILES = 160


def print_attack(result: Result, path: Path) -> None:
    """Prints a row an attack or control, the union of all attacks, and the verdict."""
    found = result.adversarial
    assert found is not None  # only results of an attack come here
    table = Table("", "attack", caption="right answers in %; brackets hold the true figure in 95 of 100 cases")
    for heading in ("accuracy", "by vote", "passes"):
        table.add_column(heading, justify="right")
    for row in found.rows:
        what = " from ".join(filter(None, (row.attack, shown(row.source))))
        counts = (_share(row.correct, found.images), _share(row.correct_vote, found.images), str(row.passes))
        table.add_row(row.role, what, *counts)
    union = (_share(found.correct.adaptive, found.images), _share(found.adaptive_vote, found.images))
    table.add_section()
    table.add_row("all attacks", "the worst for each image", *union, str(found.gradients_per_image))
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    console.print(model_name(result))
    images = f"{found.images} images of {shown(result.data.name)}"
    console.print(f"{found.norm} {found.eps:.4g}, {images}, {found.budget} budget")
    console.print(table)
    console.print(f"verdict: {found.verdict}: {found.reason}")
    console.print(str(path))


def print_story(result: Result) -> None:
    """Prints what a defense seems to do, and what it does: three figures and the verdict."""
    found = result.adversarial
    assert found is not None
    counts = {
        "undefended": next((row.correct for row in found.rows if row.role == "undefended"), None),
        "defended, the attack does not know it": found.correct.oblivious,
        "defended, the attack knows it": found.correct.adaptive,
        "defended, not attacked": found.correct.clean,
    }
    table = Table(f"{model_name(result)}, attacked ({found.norm} {found.eps:.3f})", "right answers, %")
    for name, right in counts.items():
        table.add_row(name, "" if right is None else _share(right, found.images))
    console = Console(highlight=False)
    console.print(table)
    console.print(f"verdict: {found.verdict}: {found.reason}")


def _share(right: int, images: int) -> str:
    low, high = wilson(right, images)
    return f"{100 * right / images:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
