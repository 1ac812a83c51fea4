"""Estimates with intervals, and bootstrap shares that runs on equally many images can be paired by."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormbench.metrics.intervals import resampled_means

# A figure as observed, and then in each resample of the images: shape (1 + resamples,).
Sampled = NDArray[np.float64]


# 1,000 resamples of 50,000 images take 50 MB; beyond 100 MB they are drawn anew each time.
_KEPT_DRAWS = 100_000_000


_BATCH = 64


def resampled_shares(wrong: NDArray[np.bool_ | np.floating[Any]], resamples: int) -> NDArray[np.float64]:
    """As ``resampled_means`` by generator 0, with draws that runs of as many images share.

    Args:
        wrong: what is true of each image, shape ``(images, columns)``.
        resamples: number of bootstrap resamples.

    Returns:
        Shares in 0..1, shape ``(resamples, columns)``.
    """
    images = len(wrong)
    if images * resamples > _KEPT_DRAWS:
        return resampled_means(wrong, resamples=resamples, rng=np.random.default_rng(0))
    counts, values = _draws(images, resamples), wrong.astype(np.float32)
    # Whole numbers below 2**24 are exact in float32, in whatever order they are summed.
    parts = [counts[at : at + _BATCH].astype(np.float32) @ values for at in range(0, resamples, _BATCH)]
    return np.concatenate(parts).astype(np.float64) / images


def sampled_share(right: NDArray[np.bool_ | np.floating[Any]], resamples: int) -> Sampled:
    """The mean of a value in 0..1 over images, or the share of images, in percent: observed, then in each resample."""
    return 100 * np.concatenate([[right.mean()], resampled_shares(right[:, None], resamples)[:, 0]])


@lru_cache(maxsize=2)
def _draws(images: int, resamples: int) -> NDArray[np.uint8]:
    """How often each image counts in each resample, shape ``(resamples, images)``."""
    rng = np.random.default_rng(0)
    counts = np.empty((resamples, images), dtype=np.uint8)
    for row in counts:
        row[:] = np.bincount(rng.integers(images, size=images), minlength=images)
    return counts


class Estimate(NamedTuple):
    """A figure in percent and its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, sampled: Sampled) -> "Estimate":
        """From the observed figure and the figure in each resample of the images."""
        low, high = np.quantile(sampled[1:], [0.025, 0.975])
        return cls(float(sampled[0]), float(low), float(high))

    @property
    def brackets(self) -> str:
        """The interval as it is printed everywhere."""
        return f"[{self.low:.1f}, {self.high:.1f}]"

    def __str__(self) -> str:
        return f"{self.value:.1f} {self.brackets}"
