"""Grey levels that were estimated in single precision, and those among them that such an estimate cannot decide."""

import numpy as np

from stormbench.corruptions.kernels.compiled import inlined


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
