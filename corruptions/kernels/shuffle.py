"""Glass: pixels replaced by near ones."""

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import compiled
from stormbench.corruptions.pixels import Pixels


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
    _copy_near(image, pairs, (shifts * width + shifts[:, np.newaxis]).ravel(), reach, repeats)


@compiled
def _copy_near(image, pairs, steps, reach, repeats):  # type: ignore[no-untyped-def]
    height, width = image.shape[:2]
    words = np.empty(height * width, np.uint32)  # a pixel in one word: one load and one store move it
    for i in range(height):
        for j in range(width):
            r, g, b = image[i, j]
            words[i * width + j] = np.uint32(r) | np.uint32(g) << np.uint32(8) | np.uint32(b) << np.uint32(16)
    n = 0
    for _ in range(repeats):
        for row in range(height - reach, reach, -1):
            for place in range(row * width + width - reach, row * width + reach, -1):
                words[place] = words[place + steps[pairs[n]]]
                n += 1
    for i in range(height):
        for j in range(width):
            word = words[i * width + j]
            image[i, j, 0] = np.uint8(word)
            image[i, j, 1] = np.uint8(word >> np.uint32(8))
            image[i, j, 2] = np.uint8(word >> np.uint32(16))
