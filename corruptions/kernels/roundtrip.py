"""A JPEG round trip without the file, to the bit as libjpeg-turbo's (4:2:0, islow transforms, fancy upsampling).

What a decoder gets is what the encoder quantised: Huffman coding loses nothing and is left out.

Planes have their rows permuted, row y at [y % 8, y // 8]: each row of all 8 x 8 blocks is then one long run, and a
pass of the transform goes over all blocks of an image in one loop.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import compiled, inlined
from stormbench.corruptions.kernels.dct import LANES, there_and_back
from stormbench.corruptions.kernels.ycc import copy, to_pixels, to_planes
from stormbench.corruptions.pixels import as_compiled

LUMA = np.array(
    [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
     87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
     72, 92, 95, 98, 112, 100, 103, 99]).reshape(8, 8)  # fmt: skip
"""Quantiser steps of luma at quality 50 (ITU-T T.81, table K.1)."""

CHROMA = np.full((8, 8), 99)
"""Those of chroma (table K.2)."""
CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]


@lru_cache(maxsize=128)
def steps(quality: int) -> NDArray[np.float32]:
    """How coefficients are quantised: 1 / (8 step) and step.

    The inverse is a millionth too large, so that halves go away from zero as in libjpeg's division; coefficients are
    below 2**14, too small for it to matter elsewhere.

    Args:
        quality: 1..100.

    Returns:
        (2, 2, 8, 8): luma and chroma; inverse and step; horizontal frequency; vertical frequency.
    """
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    out = np.empty((2, 2, 8, 8), np.float32)
    for table, base in enumerate((LUMA, CHROMA)):
        step = np.clip((base * percent + 50) // 100, 1, 255).T
        out[table] = (1 + 2.0**-20) / (8 * step), step
    return out


def round_trip(image: Pixels, quality: int) -> Pixels:
    """The image after JPEG compression with chroma 4:2:0.

    Args:
        image: (H, W, 3) RGB, W 5 or more: libjpeg does not blend the chroma of fewer columns.
        quality: 1..100.
    """
    height, width = image.shape[:2]
    down, across = -(-height // 16), -(-width // 16)
    if width % 16:
        padded = np.empty((height, 16 * across, 3), np.uint8)
        padded[:, :width] = image
        padded[:, width:] = image[:, -1:]
        image = padded
    luma, chroma = (-(-blocks * down * across // LANES) * 64 * LANES for blocks in (4, 2))
    scratch = np.empty(luma + chroma + 2 * luma + 4 * (8 * across + 2), np.uint8)
    out = np.empty(3 * height * width + 48, np.uint8)  # the last of the 16 pixels that are written at once end there
    _round_trip(as_compiled(image).ravel(), height, width, steps(quality).ravel(), scratch, luma, chroma, out)
    return out[: 3 * height * width].reshape(height, width, 3)


@inlined
def _row(y, run, length):  # type: ignore[no-untyped-def]
    """Where row y of a plane begins, with ``run`` bytes for each row of the blocks and ``length`` for one of pixels."""
    return y % 8 * run + y // 8 * length


@compiled
def _round_trip(image, height, width, tables, scratch, luma, chroma, out):  # type: ignore[no-untyped-def]
    """``scratch`` holds luma's plane, chroma's (Cb above Cr), the coefficients of one, and two rows of sums."""
    down, across = (height + 15) // 16, (width + 15) // 16
    rows, columns = (height + 1) // 2, (width + 1) // 2
    long, short = 16 * across, 8 * across
    blue, red, work = luma, luma + down * short, luma + chroma
    for j in range(rows):
        upper, lower = 3 * long * (2 * j), 3 * long * min(2 * j + 1, height - 1)
        y, place = _row(2 * j, luma // 8, long), _row(j, chroma // 8, short)
        to_planes(image, upper, lower, scratch, y, luma // 8, blue + place, red + place, across)
    for y in range(height, 16 * down):
        copy(scratch, _row(height - 1, luma // 8, long), _row(y, luma // 8, long), long)
    for j in range(rows, 8 * down):
        last, place = _row(rows - 1, chroma // 8, short), _row(j, chroma // 8, short)
        copy(scratch, blue + last, blue + place, short)
        copy(scratch, red + last, red + place, short)
    for plane, size, table in ((0, luma, 0), (luma, chroma, 512)):
        there_and_back(scratch, plane, size // 64, work, tables, table)
    for y in range(height):
        j = y // 2
        other = min(j + 1, rows - 1) if y % 2 else max(j - 1, 0)
        near, far = _row(j, chroma // 8, short), _row(other, chroma // 8, short)
        lines = blue + near, blue + far, red + near, red + far
        to_pixels(scratch, _row(y, luma // 8, long), *lines, work + 2 * luma, columns, across, out, 3 * width * y)
