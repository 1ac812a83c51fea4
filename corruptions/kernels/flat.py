"""Areas of one colour, where a filter's sum is known beforehand.

On them nearly every estimate is in doubt, because the sum is a whole grey level.
"""

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import compiled

MANY = 0.1
"""With a larger share of the values in doubt, it is worth to look for areas of one colour."""


def settle_flat(image: Pixels, reach: int, under_flat: Pixels, out: Pixels, marks: NDArray[np.bool_]) -> None:
    """Settles the marked values whose window holds one level of their channel, if there may be many of them.

    A border that is replicated or reflected adds nothing to what the window holds inside the image.

    Args:
        image: (H, W, C).
        reach: of the window to each side, pixels.
        under_flat: (256,), what the filter makes of a level where there is no other.
        out: (H, W C), written where settled.
        marks: (H, W C), which values are in doubt; false where settled.
    """
    height, width, channels = image.shape
    if np.count_nonzero(marks) <= MANY * marks.size:
        return
    last, size = _windows(width, reach)
    ends = np.repeat(last * channels, channels) + np.tile(np.arange(channels), width)
    rows = _windows(height, reach)
    _settle_flat(image.reshape(height, -1), channels, *rows, ends, np.repeat(size, channels), under_flat, out, marks)


def _windows(side: int, reach: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each place the last of its window inside the image, and how many places that has."""
    places = np.arange(side)
    last = np.minimum(places + reach, side - 1)
    return last, last - np.maximum(places - reach, 0) + 1


@compiled
def _settle_flat(levels, channels, last, tall, ends, wide, under_flat, out, marks):  # type: ignore[no-untyped-def]
    """How many equal levels end at a place: counted down the columns, and along a row over the columns of one level.

    What decides is multiplied in, not branched on.
    """
    height, length = levels.shape
    down, along, equal = np.zeros(length, np.int32), np.zeros(length, np.int32), np.zeros(length, np.int32)
    done = 0
    for y in range(height):
        while done <= last[y]:
            line, above = levels[done], levels[max(done - 1, 0)]
            for x in range(length):
                down[x] = down[x] * (line[x] == above[x]) + 1
            done += 1
        line, levelled, marked = levels[y], out[y], marks[y]
        for x in range(channels, length):
            equal[x] = line[x] == line[x - channels]
        for x in range(channels):
            along[x] = down[x] >= tall[y]
        for x in range(channels, length):
            along[x] = (along[x - channels] * equal[x] + 1) * (down[x] >= tall[y])
        for x in range(length):
            flat = marked[x] & (along[ends[x]] >= wide[x])
            levelled[x] = under_flat[line[x]] if flat else levelled[x]
            marked[x] = marked[x] & (not flat)
