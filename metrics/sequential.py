"""How sure a figure is after some blocks of passes, and when a run with a chosen precision may stop.

All figures here are weighted sums over the K cells of a suite, theta = sum over c of w_c p_c, with p_c the mean
outcome in cell c (1 where the model is wrong): mCE, plain mean errors, mean flip rates. Outcomes come as tables of a
row a block and a column a cell (``BlockPlan.by_cell``), values in 0..1.

Two kinds of intervals, which must not be confused:

* The *interval* holds theta with 95 % when the run stops as soon as the interval is as narrow as was asked beforehand
  (fixed-width sequential estimation: Chow and Robbins 1965; with a smoothed variance, Frey 2010). It does not hold for
  those who look at the figure and then decide whether to go on.
* The *anytime interval* holds at all times at once with 95 % (``confidence_sequences``): 1.6 times as wide.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.errors import InputError
from stormbench.metrics.block_plan import Indices
from stormbench.metrics.confidence_sequences import UniformBoundary, tuned_variance

Values = NDArray[np.float64]
Outcomes = NDArray[Any]

FIRST_LOOK = 10
"""Blocks before the first look: a variance of fewer blocks would stop lucky runs too early."""

_TWO_SIDED_95 = 1.959963984540054
_ANYTIME = 0.05
# The anytime interval is tightest where the interval is one point wide and an outcome has this variance (an error rate
# of 0.2 or 0.8). Constants, so that a run that is continued to another precision has a boundary chosen before its data.
_TIGHTEST_AT = 1.0
_ASSUMED_VARIANCE = 1 / 6


def looks(blocks: int) -> Iterator[int]:
    """After which blocks a run may stop: from the tenth on, each look a tenth later, the last one at the end.

    Example:
        >>> list(looks(20)), list(looks(5))
        ([10, 11, 13, 15, 17, 19, 20], [5])
    """
    at = FIRST_LOOK
    while at < blocks:
        yield at
        at = (11 * at + 9) // 10
    yield blocks


def smoothed_variances(sums: Outcomes, squares: Outcomes, blocks: Any) -> Values:
    """Variance of the outcome in each cell, as if one outcome of 0 and one of 1 had been seen as well.

    Without the two, a cell that never erred would count as certain (Agresti and Coull 1998; in sequential estimation
    Frey 2010). For outcomes of 0 and 1 it is q (1 - q) with q = (k + 1) / (m + 2).

    Args:
        sums: of the outcomes in each cell.
        squares: of their squares; the same as ``sums`` for outcomes of 0 and 1.
        blocks: number of outcomes in each cell.

    Example:
        >>> smoothed_variances(np.array([0, 4]), np.array([0, 4]), 8).tolist()
        [0.09, 0.25]
    """
    mean = (sums + 1) / (blocks + 2)
    return np.asarray((squares + 1) / (blocks + 2) - mean**2)


def block_variance(outcomes: Outcomes, weights: Values) -> float:
    """Variance of the weighted sum over one block of different images, from the smoothed variances of the cells.

    It is the *stratified* variance. The variance between the sums of blocks would do as well for many blocks, but
    stops too early for few: 79 % coverage instead of 95.
    """
    squares = np.square(outcomes, dtype=np.float64).sum(axis=0)
    variances = smoothed_variances(outcomes.sum(axis=0, dtype=np.float64), squares, len(outcomes))
    return float(np.sum(weights**2 * variances))


@dataclass(frozen=True)
class SequentialEstimate:
    """A figure after some blocks, in the unit of the weights (points of percent).

    Attributes:
        value: the estimate of theta.
        blocks: how many it rests on.
        passes: how many forward passes these are.
        half_width: of the 95 % interval for what the full run on these images would give; 0 when all is run.
        population_half_width: the same for images like these: it does not fall to 0.
        anytime_half_width: of the 95 % interval that holds at all times at once. In the first round it is exact for
            images like these; later it holds for the full run on these images, by simulation and not by proof.
    """

    value: float
    blocks: int
    passes: int
    half_width: float
    population_half_width: float
    anytime_half_width: float


def sequential_estimate(outcomes: Outcomes, shown: Indices, weights: Values, images: int) -> SequentialEstimate:
    """The figure after some blocks, with its intervals.

    Args:
        outcomes: in 0..1, shape ``(blocks, K)``.
        shown: the image of each, of the same shape (``BlockPlan.images_by_cell``).
        weights: of the cells, above 0, shape ``(K,)``.
        images: N, how many images the plan has.

    Raises:
        InputError: the shapes do not fit, or an outcome is outside 0..1.

    Example:
        Two cells that count 50 points each, a thousand blocks of different images; the model errs half the time in
        the first and never in the second.

        >>> outcomes, shown = np.array([[0, 0], [1, 0]] * 500), np.arange(2000).reshape(1000, 2)
        >>> found = sequential_estimate(outcomes, shown, np.array([50.0, 50.0]), images=9000)
        >>> found.value, found.passes, round(found.half_width, 2), round(found.anytime_half_width, 2)
        (25.0, 2000, 1.55, 2.74)
    """
    check_outcomes(outcomes, weights, 0)
    blocks = len(outcomes)
    here, population = interval_variances(outcomes, shown, weights, images)
    finished = blocks == images
    return SequentialEstimate(
        value=float(weights @ outcomes.mean(axis=0)),
        blocks=blocks,
        passes=outcomes.size,
        half_width=_TWO_SIDED_95 * here**0.5,
        population_half_width=_TWO_SIDED_95 * population**0.5,
        anytime_half_width=0.0 if finished else anytime_half_width(outcomes, weights),
    )


def interval_variances(outcomes: Outcomes, shown: Indices, weights: Values, images: int) -> tuple[float, float]:
    """Variance of the estimate about the full run on these images, and about the figure of images like these.

    While every image was used once, both are the variance of independent outcomes: right for images like these, on the
    safe side for the full run on these. From the second round on the covariance of outcomes on one image is estimated
    from the images that were used twice or more (sampling without replacement: Cochran 1977).

    Args: as ``sequential_estimate``.
    """
    blocks, cells = outcomes.shape
    of_block = block_variance(outcomes, weights)
    if blocks * cells <= images:
        return of_block / blocks, of_block / blocks
    residuals = weights * (outcomes - outcomes.mean(axis=0))
    by_image = np.bincount(shown.ravel(), weights=residuals.ravel(), minlength=images)
    uses = np.bincount(shown.ravel(), minlength=images)
    pairs = int(np.sum(uses * (uses - 1)))
    covariance = max(0.0, float(np.sum(by_image**2) - np.sum(residuals**2)) / pairs)
    population = of_block / blocks + pairs * covariance / blocks**2
    whole = (of_block + cells * (cells - 1) * covariance) / images
    return (0.0 if blocks == images else max(0.0, population - whole)), population


def stopping_block(outcomes: Outcomes, shown: Indices, weights: Values, images: int, precision: float) -> int | None:
    """The first look at which the interval is as narrow as asked; None if that was not reached.

    Args:
        outcomes: of all blocks that were run, or that may be used.
        shown: as ``sequential_estimate``.
        weights: as ``sequential_estimate``.
        images: as ``sequential_estimate``.
        precision: the largest half-width, in the unit of the weights.

    Example:
        >>> outcomes, shown = np.array([[0, 1], [1, 0]] * 200), np.arange(800).reshape(400, 2)
        >>> stopping_block(outcomes, shown, np.array([50.0, 50.0]), 1000, precision=5.0)
        206
        >>> stopping_block(outcomes, shown, np.array([50.0, 50.0]), 1000, precision=1.0) is None
        True
    """
    for at in looks(images):
        if at > len(outcomes):
            return None
        here, _ = interval_variances(outcomes[:at], shown[:at], weights, images)
        if _TWO_SIDED_95 * here**0.5 <= precision:
            return at
    return None


def anytime_half_width(outcomes: Outcomes, weights: Values) -> float:
    """Half-width of the 95 % confidence sequence for theta after these blocks.

    Each outcome is predicted by the smoothed mean of its cell over the earlier blocks.

    Args: as ``sequential_estimate``.
    """
    boundary = figure_boundary(weights)
    return boundary(float(figure_errors(outcomes, weights)[-1])) / len(outcomes)


def figure_errors(outcomes: Outcomes, weights: Values) -> Values:
    """After each block the sum of the squared errors of the predictions so far (V), shape ``(..., blocks)``.

    Args:
        outcomes: shape ``(..., blocks, K)``.
        weights: shape ``(K,)``.
    """
    values = outcomes.astype(np.float64)
    earlier = np.arange(values.shape[-2])[:, np.newaxis]
    predicted = (values.cumsum(axis=-2) - values + 1) / (earlier + 2)
    return np.asarray(((weights * (values - predicted)) ** 2).sum(axis=-1).cumsum(axis=-1))


def figure_boundary(weights: Values) -> UniformBoundary:
    """The boundary for one figure: 2.5 % a side, tightest where a run with a precision of one point stops."""
    tuned = tuned_variance(weights, _TIGHTEST_AT, _ASSUMED_VARIANCE)
    return UniformBoundary(float(weights.max()), tuned, _ANYTIME / 2)


def check_outcomes(outcomes: Outcomes, weights: Values, least: int) -> None:
    """Refuses what cannot be outcomes and weights of some blocks.

    Args:
        outcomes: shape ``(blocks, K)``, values in ``least``..1.
        weights: above 0, shape ``(K,)``.
        least: 0, or -1 for differences of outcomes.

    Raises:
        InputError: the message says what is wrong.
    """
    if outcomes.ndim != 2 or not len(outcomes) or weights.shape != outcomes.shape[1:]:
        raise InputError(
            f"want outcomes of shape (blocks, cells) and a weight a cell, got {outcomes.shape} and {weights.shape}"
        )
    if not (outcomes.min() >= least and outcomes.max() <= 1):
        raise InputError(f"outcomes lie in {least}..1, got {outcomes.min()}..{outcomes.max()}")
    if not (weights > 0).all():
        raise InputError("the weight of every cell must be above 0")
