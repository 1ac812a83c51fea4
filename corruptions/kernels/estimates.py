"""Grey levels that were estimated in single precision, and those among them that such an estimate cannot decide."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import inlined

PIECE = 1 << 17
"""So many values are gone through at once: on plain areas most of them can be in doubt."""


@inlined
def in_doubt(level, sure):  # type: ignore[no-untyped-def]
    """Whether an estimate lies too near a whole number for cutting off its fraction.

    No level is below 0, so near 0 there is no doubt.

    Args:
        level: float32, the estimate.
        sure: float32, how far from the middle between two whole numbers an estimate is certain of what is below it.
    """
    away = np.abs(level - np.float32(np.int32(level)) - np.float32(0.5))
    return (away > sure) & (level > np.float32(0.5))


def doubtful(marks: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Where values are marked, some whole rows at a time.

    Args:
        marks: (H, L).

    Yields:
        Their places among all values, ascending, at least one.
    """
    rows = max(1, PIECE // marks.shape[1])
    for top in range(0, len(marks), rows):
        places = np.flatnonzero(marks[top : top + rows])
        if places.size:
            yield places + top * marks.shape[1]
