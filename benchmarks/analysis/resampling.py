"""Bootstrap resamples of a run's top-1 errors."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.results.run import ImageRun
from stormbench.cells import CLEAN, SEVERITIES, Cell
from stormbench.metrics.estimates import Sampled, resampled_shares


@dataclass(frozen=True)
class Resampled:
    """Top-1 errors in 0..1.

    Attributes:
        columns: for each cell its column in the means.
        means: shape ``(1 + resamples, cells)``; the first row is what was observed.
    """

    columns: dict[Cell, int]
    means: NDArray[np.float64]

    @classmethod
    def of(cls, run: ImageRun, resamples: int) -> "Resampled":
        """Resamples the images of a run: always by the same draws, so that runs on the same images are paired."""
        wrong = (run.outcomes.rank >= 1).T
        drawn = resampled_shares(wrong, resamples)
        columns = {cell: index for index, cell in enumerate(run.cells)}
        return cls(columns, np.concatenate([wrong.mean(axis=0)[None], drawn]))

    def only(self, cells: Iterable[Cell]) -> "Resampled":
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


def complete_corruptions(cells: Iterable[Cell]) -> list[str]:
    """The corruptions of which all five severities are among the cells, in order.

    Example:
        >>> complete_corruptions([("clean", 0), ("fog", 1), *(("snow", severity) for severity in SEVERITIES)])
        ['snow']
    """
    known = dict.fromkeys(cells)
    names = dict.fromkeys(corruption for corruption, _ in known)
    return [name for name in names if all((name, severity) in known for severity in SEVERITIES)]
