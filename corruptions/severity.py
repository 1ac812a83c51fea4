"""Severities as real numbers: what lies between the columns of a table."""

from collections.abc import Mapping, Sequence
from math import floor, isfinite
from numbers import Real

from stormbench.cells import SEVERITIES
from stormbench.errors import InputError

Quantities = Mapping[str, float]

MOST = SEVERITIES[-1]

_ZERO_IS_ANOTHER_KIND = frozenset({"mud_sigma", "water_strength"})
"""Quantities of spatter that are 0 where the liquid is the other one: between the two there is no mixture."""


def as_severity(severity: object) -> float:
    """A severity as a number, whole ones as integers, so that 2 and 2.0 name the same random stream.

    Args:
        severity: 0..5; 0 is the clean image.

    Raises:
        InputError: it is no such number.

    Example:
        >>> as_severity(2.0), as_severity(2.5)
        (2, 2.5)
    """
    if isinstance(severity, bool) or not isinstance(severity, Real) or not isfinite(severity):
        raise InputError(f"severity must be a number from 0 to {MOST}, got {severity!r}")
    number = float(severity)
    if not 0 <= number <= MOST:
        raise InputError(f"severity must be a number from 0 to {MOST}, got {severity!r}")
    return int(number) if number.is_integer() else number


def quantities_at(columns: Sequence[Quantities], severity: float) -> Quantities:
    """The quantities of a severity from 1 up: a column of the table, or straight lines between two.

    Whole numbers (the passes of glass blur, the quality of JPEG) are rounded to the nearest, a half to the even one.
    Where the kind of spatter changes from water to mud, the nearer column's holds, the upper one's half-way.

    Args:
        columns: of severities 1..5.
        severity: 1..5, whole or not.

    Example:
        >>> quantities_at([{"sigma": s} for s in (1.0, 2.0, 3.0, 4.0, 6.0)], 4.5)
        {'sigma': 5.0}
    """
    below = floor(severity)
    lower = columns[below - 1]
    if below == severity:
        return lower
    upper, part = columns[below], severity - below
    return {name: _between(name, value, upper[name], part) for name, value in lower.items()}


def _between(name: str, lower: float, upper: float, part: float) -> float:
    if name in _ZERO_IS_ANOTHER_KIND and (lower == 0) != (upper == 0):
        return lower if part < 0.5 else upper
    value = lower + part * (upper - lower)
    return round(value) if isinstance(lower, int) else value
