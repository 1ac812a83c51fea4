"""``stormbench list``: what there is to choose from."""

from collections.abc import Callable, Iterable
from enum import StrEnum

from rich.console import Console
from rich.table import Table

Rows = Iterable[tuple[str, ...]]


def _corruptions() -> Rows:
    from stormbench.corruptions import CORRUPTIONS

    return ((entry.name, entry.group, "random" if entry.stochastic else "") for entry in CORRUPTIONS.values())


def _suites() -> Rows:
    from stormbench.benchmarks.suites import SUITES

    return ((suite.name, suite.summary) for suite in SUITES.values())


def _baselines() -> Rows:
    from stormbench.metrics.baselines import BASELINES

    return ((baseline.name, baseline.summary) for baseline in BASELINES.values())


_LISTS: dict[str, Callable[[], Rows]] = {
    "corruptions": _corruptions,
    "suites": _suites,
    "baselines": _baselines,
}
Kind = StrEnum("Kind", list(_LISTS))  # type: ignore[misc] # the table is the one place that names the kinds


def show(kind: Kind) -> None:
    """Lists corruptions, suites, baselines, ..."""
    table = Table(show_header=False, box=None)
    for row in _LISTS[kind]():
        table.add_row(*row)
    Console().print(table)
