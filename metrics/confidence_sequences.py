"""Bounds on a sum of bounded outcomes that hold at all times at once, so that anybody may look and stop at any time.

The empirical-Bernstein confidence sequence of Howard, Ramdas, McAuliffe and Sekhon ("Time-uniform, nonparametric,
nonasymptotic confidence sequences", Annals of Statistics 49, 2021, arXiv 1810.08240): Theorem 4, with the
gamma-exponential mixture of Proposition 9 as the uniform boundary.
"""

from dataclasses import dataclass
from functools import cached_property
from math import log
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import gammainc, gammaln

from stormbench.errors import InputError


@dataclass(frozen=True)
class UniformBoundary:
    """How far a sum of centred outcomes may stray, whenever one looks, one side.

    With outcomes X_i in an interval of length ``scale``, any predictions from earlier outcomes alone (in the same
    interval), and V the sum of squared errors of these predictions, the sum of X_i minus its conditional means stays
    below ``boundary(V)`` at all times with probability 1 - ``crossing``.

    Attributes:
        scale: length of the interval of the outcomes (the paper's c).
        tuned_for: the V at which the boundary is tightest. It must be chosen before the data are seen; a bad choice
            costs width, never validity.
        crossing: probability of ever crossing, for one side.
    """

    scale: float
    tuned_for: float
    crossing: float

    def __post_init__(self) -> None:
        if not (self.scale > 0 and self.tuned_for > 0 and 0 < self.crossing < 0.5):
            raise InputError(
                "a boundary needs scale > 0, tuned_for > 0 and a crossing probability in 0..0.5 (both excluded), "
                f"got {self.scale}, {self.tuned_for}, {self.crossing}"
            )

    @cached_property
    def _rho(self) -> float:
        """The mixture's precision, by the paper's approximation for a one-sided normal mixture (its section 3.5)."""
        doubled = 2 * log(1 / (2 * self.crossing))
        return self.tuned_for / (doubled + log(1 + doubled))

    def log_martingale(self, deviation: ArrayLike, variance: ArrayLike) -> NDArray[np.float64]:
        """Logarithm of the mixture supermartingale: it ever exceeds log(1 / crossing) with that probability at most.

        The mixture over lambda in [0, 1/c) of exp(lambda s - psi(lambda) v), psi(lambda) = (-log(1 - c lambda) -
        c lambda) / c^2, with a truncated gamma density: Proposition 9.

        Args:
            deviation: sum of the outcomes minus its conditional means (the paper's s), any shape; for 0 and less the
                value is given as 0, which is no smaller than the true one.
            variance: sum of the squared errors of the predictions (v), of the same shape. In float64 the value is
                right to about 1e-9 up to v = 1e6 c^2.
        """
        square = self.scale**2
        prior = self._rho / square
        shape = (np.asarray(variance) + self._rho) / square
        shifted = (self.scale * np.asarray(deviation) + np.asarray(variance)) / square
        rate = shifted + prior
        # Deviations of 0 and less are never beyond the boundary, and far below 0 the rate is negative.
        safe = np.maximum(rate, 1e-300)
        constant = prior * log(prior) - gammaln(prior) - np.log(gammainc(prior, prior))
        mass = np.log(np.maximum(gammainc(shape, safe), 1e-300))
        value = constant + gammaln(shape) + mass - shape * np.log(safe) + shifted
        return np.where(np.asarray(deviation) > 0, value, 0.0)

    def crossed(self, deviation: ArrayLike, variance: ArrayLike) -> NDArray[np.bool_]:
        """Whether a deviation is beyond the boundary: as ``deviation > boundary(variance)``, for arrays."""
        return np.asarray(self.log_martingale(deviation, variance) > log(1 / self.crossing))

    def __call__(self, variance: float) -> float:
        """The deviation at which the boundary lies for one V.

        Example:
            A sum of a thousand fair coin tosses (V about 250) has standard deviation 15.8; a normal interval of 95 %
            for one look is 1.96 times as wide, the one for all looks 3.2 times:

            >>> boundary = UniformBoundary(scale=1.0, tuned_for=250.0, crossing=0.025)
            >>> round(boundary(250.0) / 250**0.5, 2)
            3.23
        """
        target = log(1 / self.crossing)

        def excess(deviation: float) -> float:
            return float(self.log_martingale(deviation, variance)) - target

        high = self.scale
        while excess(high) < 0:
            high *= 2
        root: Any = brentq(excess, 0.0, high, xtol=1e-12, rtol=1e-12)
        return float(root)


def tuned_variance(weights: NDArray[np.float64], half_width: float, variance: float) -> float:
    """The V of a weighted sum over cells when its 95 % interval for one look has a half-width.

    Args:
        weights: of the cells, shape ``(K,)``.
        half_width: in the unit of the weights.
        variance: of an outcome, assumed before any is seen.

    Example:
        75 cells of weight 100 / 75 and an error rate of one half: the variance of a block is 33.3, so one point takes
        1.96^2 * 33.3 = 128 blocks, and V is 128 * 33.3:

        >>> round(tuned_variance(np.full(75, 100 / 75), 1.0, 0.25))
        4268
    """
    of_block = float(np.sum(weights**2)) * variance
    return (1.96 / half_width) ** 2 * of_block**2
