"""Which places a model may hold, by what is sure about it and the others."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormbench.metrics.estimates import Estimate, Sampled

# Share of the resamples in which one model must be ahead: the two-sided 95 % interval of the difference excludes 0.
_SURE = 0.975


class Rank(NamedTuple):
    """The places that a model may hold: those that the data do not rule out."""

    best: int
    worst: int

    def __str__(self) -> str:
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


def surely_beaten(samples: Sequence[Sampled]) -> NDArray[np.bool_]:
    """Who surely beats whom, by resamples that all models share; lower is better.

    Args:
        samples: of each model a figure as observed, then in each resample.

    Returns:
        Shape ``(models, models)``; true where the column's model surely beats the row's.
    """
    resampled = np.stack([values[1:] for values in samples])
    return np.array([(resampled < own).mean(axis=1) >= _SURE for own in resampled])


def beaten_by_intervals(estimates: Sequence[Estimate], higher_is_better: bool) -> NDArray[np.bool_]:
    """Likewise where there are no shared resamples: one model surely beats another where their intervals lie apart."""
    low, high = (np.array([getattr(each, bound) for each in estimates]) for bound in ("low", "high"))
    return np.asarray(low[None, :] > high[:, None] if higher_is_better else high[None, :] < low[:, None])


def places(beaten: NDArray[np.bool_]) -> list[Rank]:
    """The places that each model may hold.

    A model's best place is behind all that surely beat it, its worst before all that it surely beats. So models that
    cannot be told apart share places, and 1-3 means: nobody surely beats it, and it surely beats all but two.

    Args:
        beaten: shape ``(models, models)``; true where the column's model surely beats the row's.

    Example:
        >>> beaten = np.array([[0, 0, 0], [0, 0, 0], [1, 1, 0]], dtype=bool)
        >>> [str(rank) for rank in places(beaten)]
        ['1–2', '1–2', '3']
    """
    best, worst = 1 + beaten.sum(axis=1), len(beaten) - beaten.sum(axis=0)
    return [Rank(int(first), int(last)) for first, last in zip(best, worst, strict=True)]
