"""Which defenses there are. The table names classes without importing them, so listing needs no torch."""

from dataclasses import dataclass

from stormbench.registry import Registry


@dataclass(frozen=True)
class DefenseEntry:
    """One defense.

    Attributes:
        name: what a specification calls it.
        summary: one line, with the paper.
        target: ``module:Class``, where the class is a ``Defense`` whose keyword arguments are the specification's keys.
    """

    name: str
    summary: str
    target: str


_HERE = "stormbench.defenses"

DEFENSES = Registry(
    "defense",
    [
        DefenseEntry(
            "rain",
            "random down-sampling and shift, then a detail enhancer (Du 2020, arXiv 2004.14798)",
            f"{_HERE}.rain.defense:RAIN",
        ),
    ],
)
