"""Glass: pixels replaced by near ones."""

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import compiled


def copy_near(image: Pixels, pairs: NDArray[np.uint8], reach: int, repeats: int) -> None:
    """Copies to each pixel, last to first, the one (dx, dy) away; in place, ``repeats`` times.

    Rows run from H - reach down to reach + 1, and so do columns, so that no source lies outside.

    Args:
        image: (H, W, 3).
        pairs: for each pass, row and column (dx + reach) 2 reach + (dy + reach), dx and dy in -reach .. reach - 1.
        reach: farthest shift, pixels.
        repeats: number of passes.
    """
    width = image.shape[1]
    shifts = np.arange(-reach, reach)
    steps = (shifts * width + shifts[:, np.newaxis]).ravel().astype(np.uint64)  # they wrap around, and sums with them
    _copy_near(image, pairs, steps, reach, repeats)


@compiled
def _copy_near(image, pairs, steps, reach, repeats):  # type: ignore[no-untyped-def]
    height, width = image.shape[:2]
    values = image.ravel()
    words = np.empty(height * width, np.uint32)  # a pixel in one word: one load and one store move it
    for i in range(words.size):
        r, g, b = values[3 * i], values[3 * i + 1], values[3 * i + 2]
        words[i] = np.uint32(r) | np.uint32(g) << np.uint32(8) | np.uint32(b) << np.uint32(16)
    done, count = 0, width - 2 * reach
    for _ in range(repeats):
        for row in range(height - reach, reach, -1):
            place = np.uint64(
                row * width + width - reach
            )  # without a sign, there is no index from the end to check for
            for pair in pairs[done : done + count]:
                words[place] = words[place + steps[pair]]
                place -= np.uint64(1)
            done += max(count, 0)
    for i in range(words.size):
        word = words[i]
        values[3 * i] = np.uint8(word)
        values[3 * i + 1] = np.uint8(word >> np.uint32(8))
        values[3 * i + 2] = np.uint8(word >> np.uint32(16))
