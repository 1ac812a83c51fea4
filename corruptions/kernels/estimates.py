"""Grey levels that were estimated in single precision, and those among them that such an estimate cannot decide."""

import numpy as np

from stormbench.corruptions.kernels.compiled import compiled

WORD = 8


@compiled
def new_marks(length):  # type: ignore[no-untyped-def]
    """Room for a mark for each of ``length`` values, of whole words."""
    return np.zeros((length + WORD - 1) // WORD * WORD, np.bool_)


@compiled
def in_doubt(levels, sure, marks, places):  # type: ignore[no-untyped-def]
    """Finds the values that lie too near a whole number for cutting off their fractions.

    None is below 0, so near 0 there is no doubt.

    Args:
        levels: float32, estimates.
        sure: float32, how far from the middle between two whole numbers an estimate is certain of what is below it.
        marks: from ``new_marks``.
        places: int64, written: where those values are.

    Returns:
        How many they are.
    """
    for x in range(levels.size):
        level = levels[x]
        away = np.abs(level - np.float32(np.int32(level)) - np.float32(0.5))
        marks[x] = (away > sure) & (level > np.float32(0.5))
    count, words = 0, marks.view(np.uint64)
    for word in range(words.size):
        if words[word] != 0:
            for x in range(word * WORD, word * WORD + WORD):
                if marks[x]:
                    places[count] = x
                    count += 1
    return count
