"""The means of all cells of a run, as observed and in bootstrap resamples of its images."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.results.outcomes import Outcomes
from stormbench.benchmarks.results.schema import CLEAN, Result
from stormbench.benchmarks.suites import SEVERITIES
from stormbench.metrics.intervals import resampled_means

CellKey = tuple[str, int]
# A figure as observed, and then in each resample of the images: shape (1 + resamples,).
Sampled = NDArray[np.float64]
# 1,000 resamples of 50,000 images take 50 MB; beyond 100 MB they are drawn anew each time.
_KEPT_DRAWS = 100_000_000
_BATCH = 64


@dataclass(frozen=True)
class Resampled:
    """Top-1 errors in 0..1.

    Attributes:
        columns: for each cell its column in the means.
        means: shape ``(1 + resamples, cells)``; the first row is what was observed.
    """

    columns: dict[CellKey, int]
    means: NDArray[np.float64]

    @classmethod
    def of(cls, result: Result, outcomes: Outcomes, resamples: int) -> "Resampled":
        """Resamples the images of a run: always by the same draws, so that runs on the same images are paired."""
        wrong = (outcomes.rank >= 1).T
        drawn = resampled_shares(wrong, resamples)
        columns = {(cell.corruption, cell.severity): index for index, cell in enumerate(result.cells)}
        return cls(columns, np.concatenate([wrong.mean(axis=0)[None], drawn]))

    def only(self, cells: Iterable[CellKey]) -> "Resampled":
        """The same run as if it had only these cells."""
        return Resampled({cell: self.columns[cell] for cell in cells}, self.means)

    @property
    def complete(self) -> list[str]:
        """The corruptions whose five severities were all run."""
        return complete_corruptions(self.columns)

    def errors(self, corruption: str, severity: int) -> Sampled:
        """The error in one cell."""
        return self.means[:, self.columns[corruption, severity]]

    def mean_errors(self, corruption: str) -> Sampled:
        """The mean error over the five severities."""
        return np.asarray(self.means[:, self._five(corruption)].mean(axis=1))

    @property
    def severities(self) -> list[int]:
        """The severities of the corrupted cells."""
        return sorted({severity for name, severity in self.columns if name != CLEAN})

    def severity_errors(self, severity: int) -> Sampled:
        """The mean error over all corruptions at one severity."""
        columns = [column for (name, at), column in self.columns.items() if name != CLEAN and at == severity]
        return np.asarray(self.means[:, columns].mean(axis=1))

    def observed(self, corruption: str) -> NDArray[np.float64]:
        """The five errors that were observed."""
        return self.means[0, self._five(corruption)]

    def _five(self, corruption: str) -> list[int]:
        return [self.columns[corruption, severity] for severity in SEVERITIES]


def complete_corruptions(cells: Iterable[CellKey]) -> list[str]:
    """The corruptions of which all five severities are among the cells, in order.

    Example:
        >>> complete_corruptions([("clean", 0), ("fog", 1), *(("snow", severity) for severity in SEVERITIES)])
        ['snow']
    """
    known = dict.fromkeys(cells)
    names = dict.fromkeys(corruption for corruption, _ in known)
    return [name for name in names if all((name, severity) in known for severity in SEVERITIES)]


def resampled_shares(wrong: NDArray[np.bool_], resamples: int) -> NDArray[np.float64]:
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


def sampled_share(right: NDArray[np.bool_], resamples: int) -> Sampled:
    """The share of images of which something is true in percent, as observed and then in each resample."""
    return 100 * np.concatenate([[right.mean()], resampled_shares(right[:, None], resamples)[:, 0]])


@lru_cache(maxsize=2)
def _draws(images: int, resamples: int) -> NDArray[np.uint8]:
    """How often each image counts in each resample, shape ``(resamples, images)``."""
    rng = np.random.default_rng(0)
    counts = np.empty((resamples, images), dtype=np.uint8)
    for row in counts:
        row[:] = np.bincount(rng.integers(images, size=images), minlength=images)
    return counts
