"""Paired significance: McNemar's test and Holm's correction."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

Probabilities = NDArray[np.float64]


def mcnemar(only_first: NDArray[np.integer[Any]], only_second: NDArray[np.integer[Any]]) -> Probabilities:
    """McNemar's exact test (McNemar 1947): could luck alone divide the images so unevenly?

    Images on which both are right, or both are wrong, say nothing about which is better and do not count.

    Args:
        only_first: per test, how many images only the first model gets wrong.
        only_second: likewise the second.

    Returns:
        Two-sided probabilities in 0..1; 1 where the models never differ.

    Example:
        Ten images on which two models differ, nine of them in favour of one: ``2 * (1 + 10) / 2**10``.

        >>> mcnemar(np.array([9, 0]), np.array([1, 0])).round(6).tolist()
        [0.021484, 1.0]
    """
    fewer = np.minimum(only_first, only_second)
    return np.asarray(np.minimum(1.0, 2 * binom.cdf(fewer, only_first + only_second, 0.5)))


def holm(probabilities: Probabilities) -> Probabilities:
    """Holm's step-down correction (Holm 1979): the chance of even one false alarm stays below 5 %.

    Args:
        probabilities: of the single tests, shape ``(tests,)``, in 0..1.

    Returns:
        Adjusted probabilities, in the order given; those up to 0.05 are significant.

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).round(6).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(probabilities, kind="stable")
    factors = np.arange(len(order), 0, -1)
    adjusted = np.empty_like(probabilities)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * probabilities[order]))
    return adjusted
