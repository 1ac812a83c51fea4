"""Comparisons as tables on the terminal."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from stormbench.benchmarks.analysis.comparison import CellTest, Comparison, Difference
from stormbench.benchmarks.analysis.metrics import FIGURES
from stormbench.cells import CLEAN

_SAID = {-1: "better", 0: "", 1: "worse"}


def print_comparison(comparison: Comparison) -> None:
    """Prints the conclusion, a row an index, and a row a corruption."""
    console = Console(highlight=False, markup=False, emoji=False)  # names are a stranger's text
    console.print(comparison.conclusion, style="bold")
    named = {FIGURES[name].phrase: difference for name, difference in comparison.indices.items()}
    console.print(_differences("index", comparison, named, {}))
    tests = {name: [test for test in comparison.cells if test.corruption == name] for name in comparison.corruptions}
    if comparison.corruptions:
        figure = "CE" if comparison.baseline else "mean error"
        heading = figure if comparison.cells else "flip rate" if comparison.baseline else "flip probability"
        console.print(_differences(heading, comparison, comparison.corruptions, tests if comparison.cells else {}))
    for test in comparison.cells:
        if test.corruption not in comparison.corruptions:
            console.print(_told(test, comparison))
    for note in comparison.notes:
        console.print(note)


def _differences(
    heading: str, comparison: Comparison, differences: Mapping[str, Difference], tests: Mapping[str, list[CellTest]]
) -> Table:
    table = Table(heading, caption="in percent; difference = second minus first, 95 % interval" if tests else None)
    for name in (comparison.first, comparison.second, "difference", f"{comparison.second} is"):
        table.add_column(name, justify="right")
    if tests:
        table.add_column("cells by McNemar, Holm", justify="right")
    for name, difference in differences.items():
        figures = (f"{difference.first:.1f}", f"{difference.second:.1f}", str(difference.points))
        table.add_row(name, *figures, _SAID[difference.sure], *([_counted(tests[name])] if tests else []))
    return table


def _counted(tests: list[CellTest]) -> str:
    better, worse = (sum(test.sure == sign for test in tests) for sign in (-1, 1))
    return f"{better} better, {worse} worse of {len(tests)}"


def _told(test: CellTest, comparison: Comparison) -> str:
    first = f"{test.only_first_wrong} images only {comparison.first} gets wrong"
    second = f"{test.only_second_wrong} only {comparison.second}"
    where = "clean images" if test.corruption == CLEAN else test.corruption
    return f"{where}: {first}, {second}; McNemar, Holm: p = {test.p_holm:.2g}"
