"""Whether one model is worse than another by more than a margin, or not, or whether that cannot be told yet.

Both models see the same passes of one plan (``block_plan``), so that what makes an image hard for both cancels out. The
decision rests on the empirical-Bernstein confidence sequence (``confidence_sequences``): it may be asked for after
every block. Asymptotic confidence sequences give up to 23 % false answers where the models disagree on 0.2 % of the
passes, as a network and its quantised copy do; tests that are merely repeated give 30 %.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from stormbench.errors import InputError
from stormbench.metrics.confidence_sequences import UniformBoundary, tuned_variance
from stormbench.metrics.sequential import Outcomes, Values, check_outcomes

_FALSE_ANSWER = 0.05
# What the boundary is tuned for: models that disagree on one pass in eight, and a margin of half a point or more.
_ASSUMED_DISAGREEMENT = 1 / 8
_LEAST_TUNED_MARGIN = 0.5


class Verdict(IntEnum):
    """What a gate says; the value is the exit status of ``stormbench gate``."""

    NOT_WORSE = 0
    WORSE = 1
    CANNOT_TELL = 2


@dataclass(frozen=True)
class GateDecision:
    """What is known about theta_new - theta_base after some blocks that both models saw.

    Attributes:
        verdict: against the margin.
        difference: the estimate, in the unit of the weights; above 0 the new model is worse.
        half_width: of its interval that holds at all times at once, 5 % a side; 0 when all was run.
        blocks: how many blocks were used.
        passes: of each model.
    """

    verdict: Verdict
    difference: float
    half_width: float
    blocks: int
    passes: int


def gate_decision(differences: Outcomes, weights: Values, images: int, margin: float) -> GateDecision:
    """Whether the new model is worse than the base by more than a margin, or not, or whether that cannot be told.

    The verdict may be asked for after every block, and the asking stopped at the first answer: each of the two false
    answers has a probability of 5 % at most. When all passes were run nothing is left to chance.

    Args:
        differences: outcome of the new model minus that of the base on the same pixels, in -1..1; shape
            ``(blocks, K)``.
        weights: of the cells, above 0, shape ``(K,)``.
        images: N, how many images the plan has.
        margin: by how much the new model may be worse, 0 or more, in the unit of the weights.

    Raises:
        InputError: the shapes do not fit, a difference is outside -1..1, or the margin is below 0.

    Example:
        >>> weights = np.array([50.0, 50.0])
        >>> equal = np.zeros((400, 2))
        >>> gate_decision(equal, weights, images=1000, margin=1.0).verdict
        <Verdict.CANNOT_TELL: 2>
        >>> gate_decision(equal, weights, images=1000, margin=2.0).verdict
        <Verdict.NOT_WORSE: 0>
        >>> gate_decision(equal + 0.5, weights, images=1000, margin=2.0).verdict
        <Verdict.WORSE: 1>
    """
    check_outcomes(differences, weights, -1)
    if not margin >= 0:
        raise InputError(f"the margin of a gate is 0 or more points, got {margin}")
    blocks = len(differences)
    difference = float(weights @ differences.mean(axis=0))
    boundary = difference_boundary(weights, margin)
    half_width = 0.0 if blocks == images else boundary(float(difference_errors(differences, weights)[-1])) / blocks
    verdict = Verdict.CANNOT_TELL
    if difference - half_width > margin:
        verdict = Verdict.WORSE
    elif difference + half_width <= margin:
        verdict = Verdict.NOT_WORSE
    return GateDecision(verdict, difference, half_width, blocks, differences.size)


def difference_errors(differences: Outcomes, weights: Values) -> Values:
    """As ``figure_errors`` for differences, each predicted by the mean of all differences in earlier blocks."""
    values = differences.astype(np.float64)
    sums = values.sum(axis=-1).cumsum(axis=-1)
    counts = values.shape[-1] * np.arange(1, values.shape[-2] + 1)
    means = sums / counts
    predicted = np.concatenate([np.zeros_like(means[..., :1]), means[..., :-1]], axis=-1)[..., np.newaxis]
    return np.asarray(((weights * (values - predicted)) ** 2).sum(axis=-1).cumsum(axis=-1))


def difference_boundary(weights: Values, margin: float) -> UniformBoundary:
    """The boundary for a difference: 5 % a side, tightest where the interval is about as wide as the margin."""
    tuned = tuned_variance(weights, max(margin, _LEAST_TUNED_MARGIN), _ASSUMED_DISAGREEMENT)
    return UniformBoundary(2 * float(weights.max()), tuned, _FALSE_ANSWER)
