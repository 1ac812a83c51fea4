"""Uniform numbers from raw bits."""

import numpy as np

from stormbench.corruptions.kernels.compiled import compiled


@compiled
def choose(words, choices, out):  # type: ignore[no-untyped-def]
    """Whole numbers in 0 .. choices - 1, each as likely as the others to 2**-32.

    Args:
        words: uint32.
        choices: up to 256.
        out: uint8, as many.
    """
    for x in range(out.size):
        out[x] = np.uint8(np.uint64(words[x]) * np.uint64(choices) >> np.uint64(32))


@compiled
def fill_unit(words, low, spread, out):  # type: ignore[no-untyped-def]
    """Numbers from ``low`` to ``low + spread``, in steps of 2**-32 of the spread, the ends excluded.

    Args:
        words: uint32.
        low: of the numbers.
        spread: of the numbers.
        out: float64, as many.
    """
    for x in range(out.size):
        out[x] = low + spread * ((np.float64(words[x]) + 0.5) * 2.0**-32)
