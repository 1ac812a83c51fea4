"""Which figure a suite is summed up in, and what each of its cells counts in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.suites.corruptions import CorruptionSuite
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.cells import SEVERITIES, Cell
from stormbench.metrics.baselines import load_baseline
from stormbench.metrics.corruption import TEST_CORRUPTIONS, BaselineErrors

Figure = Literal["mce", "mean_error"]
FIGURE_NAMES: dict[Figure, str] = {"mce": "mCE", "mean_error": "mean error"}


@dataclass(frozen=True)
class Weighting:
    """A figure as a weighted sum of the errors of cells.

    Attributes:
        figure: ``"mce"`` or ``"mean_error"``.
        weights: of the cells, in points: an error of 1 in a cell adds so much to the figure. Shape ``(cells,)``.
    """

    figure: Figure
    weights: NDArray[np.float64]


def weighting(suite: str, cells: Sequence[Cell]) -> Weighting:
    """Weights for mCE where the suite has a baseline and all its 75 cells are there, else for the plain mean error.

    Args:
        suite: name of the suite.
        cells: the corrupted cells.

    Example:
        >>> weighting("cifar-c", [("fog", 1), ("fog", 2)])
        Weighting(figure='mean_error', weights=array([50., 50.]))
    """
    found = SUITES.get(suite)
    name = found.baseline if isinstance(found, CorruptionSuite) else None
    complete = {(corruption, severity) for corruption in TEST_CORRUPTIONS for severity in SEVERITIES}
    if name and set(cells) == complete:
        return Weighting("mce", ce_weights(cells, load_baseline(name).errors))
    return Weighting("mean_error", np.full(len(cells), 100 / len(cells)))


def ce_weights(cells: Sequence[Cell], baseline: Mapping[str, BaselineErrors]) -> NDArray[np.float64]:
    """What the error in each cell adds to mCE: 100 / 15 over the sum of the baseline's five errors there."""
    return np.array([100 / (15 * len(SEVERITIES) * np.mean(baseline[corruption])) for corruption, _ in cells])
