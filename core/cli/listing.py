"""``stormbench list``: what there is to choose from."""

from collections.abc import Callable, Iterable
from enum import StrEnum

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Rows = Iterable[tuple[str, ...]]


def _corruptions() -> Rows:
    from stormbench.corruptions import CORRUPTIONS

    return ((entry.name, entry.group, "random" if entry.stochastic else "") for entry in CORRUPTIONS.values())


def _perturbations() -> Rows:
    from stormbench.corruptions.perturbations import PERTURBATIONS

    entries = PERTURBATIONS.values()
    return ((entry.name, entry.group, f"against the {entry.reference} frame") for entry in entries)


def _suites() -> Rows:
    from stormbench.benchmarks.suites.registry import SUITES

    return ((suite.name, suite.summary) for suite in SUITES.values())


def _defenses() -> Rows:
    from stormbench.defenses import DEFENSES

    return ((defense.name, defense.summary) for defense in DEFENSES.values())


def _attacks() -> Rows:
    from stormbench.defenses.attacks import ATTACKS

    for attack in ATTACKS.values():
        yield attack.name, attack.summary, "linf, l2", attack.settings, f"{attack.passes} an image: {attack.cost}"


def _budgets() -> Rows:
    from stormbench.defenses.robustness import BUDGETS

    return ((budget.name, budget.summary) for budget in BUDGETS.values())


def _baselines() -> Rows:
    from stormbench.metrics.baselines import BASELINES

    return ((baseline.name, baseline.summary) for baseline in BASELINES.values())


def _models() -> Rows:
    from stormbench.benchmarks.models.sources import MODEL_SOURCES

    return ((source.spelling, source.summary) for source in MODEL_SOURCES.values())


def _data() -> Rows:
    from stormbench.datasets import DATA_SOURCES

    return ((source.spelling, source.summary) for source in DATA_SOURCES.values())


def _recipes() -> Rows:
    from stormbench.defenses.training import recipes

    return ((recipe.name, recipe.source) for recipe in recipes().values())


def _networks() -> Rows:
    from stormbench.defenses.networks.registry import NETWORKS

    return ((network.name, network.summary) for network in NETWORKS.values())


_LISTS: dict[str, Callable[[], Rows]] = {
    "corruptions": _corruptions,
    "perturbations": _perturbations,
    "suites": _suites,
    "baselines": _baselines,
    "defenses": _defenses,
    "attacks": _attacks,
    "budgets": _budgets,
    "models": _models,
    "data": _data,
    "recipes": _recipes,
    "networks": _networks,
}
Kind = StrEnum("Kind", list(_LISTS))  # type: ignore[misc] # the table is the one place that names the kinds


def show(kind: Kind) -> None:
    """Lists corruptions, suites, baselines, ..."""
    table = Table(show_header=False, box=None)
    for row in _LISTS[kind]():
        table.add_row(*map(escape, row))
    Console().print(table)
