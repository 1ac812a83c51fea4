"""Pillow's resizing with the box filter, without Pillow.

Rows are resized before columns, as every Pillow did when the benchmark was made; later ones begin with the columns
where that is cheaper, which changes single levels of images that are not square.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import compiled

PRECISION = 22
"""Bits of Pillow's fixed-point weights."""

Boxes = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]


@lru_cache(maxsize=128)
def boxes(side: int, new_side: int) -> Boxes:
    """Which pixels of a side each pixel of the new side averages.

    Pixel i of the new side has its centre at (i + 0.5) s, with s = side / new_side, and covers the pixels whose centres
    lie within max(s, 1) / 2 of it, with equal weights.

    Returns:
        For each new pixel: the first one it covers, how many, and the weight of each in units of 2**-22.
    """
    scale = side / new_side
    width = max(scale, 1.0)
    centres = (np.arange(new_side) + 0.5) * scale
    first = np.maximum((centres - 0.5 * width + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + 0.5 * width + 0.5).astype(np.int64), side)
    places = first[:, np.newaxis] + np.arange((last - first).max())
    away = (places - centres[:, np.newaxis] + 0.5) * (1.0 / width)  # as Pillow rounds it
    covered = (away > -0.5) & (away <= 0.5) & (places < last[:, np.newaxis])
    counts = covered.sum(axis=1)
    return first + covered.argmax(axis=1), counts, (0.5 + (1 << PRECISION) / counts).astype(np.int32)


def resize_box(image: Pixels, height: int, width: int) -> Pixels:
    """The image at another size: rows first, then columns, each rounded to whole levels.

    Args:
        image: (H, W, 3).
        height: of the result.
        width: of the result.
    """
    if width != image.shape[1]:
        narrowed = np.empty((image.shape[0], width, 3), np.uint8)
        _along_rows(image, *boxes(image.shape[1], width), narrowed)
        image = narrowed
    if height == image.shape[0]:
        return image.copy()
    out = np.empty((height, width, 3), np.uint8)
    _along_columns(image.reshape(image.shape[0], -1), *boxes(image.shape[0], height), out.reshape(height, -1))
    return out


@compiled
def _along_rows(image, first, counts, weights, out):  # type: ignore[no-untyped-def]
    half, precision = np.int32(1 << (PRECISION - 1)), np.int32(PRECISION)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            red, green, blue = np.int32(0), np.int32(0), np.int32(0)
            for i in range(first[x], first[x] + counts[x]):
                red += np.int32(image[y, i, 0])
                green += np.int32(image[y, i, 1])
                blue += np.int32(image[y, i, 2])
            out[y, x, 0] = np.uint8((half + red * weights[x]) >> precision)
            out[y, x, 1] = np.uint8((half + green * weights[x]) >> precision)
            out[y, x, 2] = np.uint8((half + blue * weights[x]) >> precision)


@compiled
def _along_columns(image, first, counts, weights, out):  # type: ignore[no-untyped-def]
    half, precision = np.int32(1 << (PRECISION - 1)), np.int32(PRECISION)
    total = np.empty(out.shape[1], np.int32)
    for y in range(out.shape[0]):
        total[:] = 0
        for i in range(first[y], first[y] + counts[y]):
            line = image[i]
            for x in range(total.size):
                total[x] += np.int32(line[x])
        for x in range(total.size):
            out[y, x] = np.uint8((half + total[x] * weights[y]) >> precision)
