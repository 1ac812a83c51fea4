"""Which places a model may hold, by what is sure about it and the others."""

from collections.abc import Sequence
from math import inf
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import studentized_range
from scipy.stats import t as student

from stormbench.metrics.estimates import Estimate, Sampled

# How often a board of equal models ranks none of them apart from another, at least.
_CONFIDENCE = 0.95
_INTERVAL = NormalDist().inv_cdf(0.975)  # standard errors in half a 95 % interval
_ROUNDING = 1e-9  # differences in percent that vary less than this do not vary


class Rank(NamedTuple):
    """The places that a model may hold: those that the data do not rule out."""

    best: int
    worst: int

    def __str__(self) -> str:
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


def surely_beaten(samples: Sequence[Sampled], images: int) -> NDArray[np.bool_]:
    """Who surely beats whom, by resamples that all models share; lower is better.

    All pairs are tested at once by the maximum of their statistics over the resamples (max-T; Westfall and Young 1993,
    single step): the simultaneous 95 % intervals of all paired differences. Of boards of equal models no more than
    5 % therefore rank any apart, however many models they have. A difference is divided by its standard error as it
    is where the models are equal (McNemar's), so two images on which two models differ make nobody sure.

    Args:
        samples: of each model a figure in percent as observed, then in each resample; means over images.
        images: how many were resampled.

    Returns:
        Shape ``(models, models)``; true where the column's model surely beats the row's.
    """
    figures = np.stack(samples)
    ahead, largest = np.empty((len(figures), len(figures))), np.zeros(figures.shape[1] - 1)
    for at, own in enumerate(figures):  # pairs of one model at a time: those of 200 models would take 160 MB
        differences = figures - own
        observed, deviations = differences[:, 0], differences[:, 1:] - differences[:, :1]
        spread = np.sqrt(np.square(deviations).mean(axis=1))
        np.maximum(largest, np.abs(_over(deviations, spread[:, None])).max(axis=0), out=largest)
        ahead[:, at] = _over(observed, np.hypot(spread, observed / np.sqrt(images)))
    of_one_pair = student.ppf((1 + _CONFIDENCE) / 2, max(images - 1, 1))  # resamples of few images may all be alike
    return np.asarray(ahead > max(float(np.quantile(largest, _CONFIDENCE)), float(of_one_pair)))


def _over(differences: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences over their standard error, 0 where there is no error but that of rounding."""
    return np.divide(differences, error, out=np.zeros_like(differences), where=error >= _ROUNDING)


def beaten_by_intervals(estimates: Sequence[Estimate], higher_is_better: bool) -> NDArray[np.bool_]:
    """Likewise where there are no shared resamples, from the 95 % interval of each model.

    The intervals must lie apart, and so far that the interval of the difference excludes 0 for all pairs of the board
    at once: the root of the summed squares of the half intervals that face each other (Zou and Donner 2008), widened by
    the studentised range (Tukey). Models that saw the same images depend on each other, which makes it wider than
    needed.
    """
    value, low, high = np.array(estimates).T
    if higher_is_better:
        value, low, high = -value, -high, -low
    wider = float(studentized_range.ppf(_CONFIDENCE, max(len(value), 2), inf)) / np.sqrt(2) / _INTERVAL
    joined = wider * np.hypot((value - low)[:, None], high - value)
    return np.asarray((low[:, None] > high) & (value[:, None] - value > joined))


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
