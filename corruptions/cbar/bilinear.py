"""Reading between pixels, black outside the image, in the precision that the reference happens to have."""

import math

import numpy as np

from stormbench.corruptions.kernels.compiled import inlined


@inlined
def mixed(image, py, px, channel):  # type: ignore[no-untyped-def]
    """The image at (py, px), by linear interpolation along the row, then along the column, in double precision.

    Args:
        image: (H, W, channels).
        py: row.
        px: column.
        channel: which.
    """
    height, width = image.shape[:2]
    y, x = math.floor(py), math.floor(px)
    left, right = 1 - px + x, 1 - (x + 1) + px
    up, down = 1 - py + y, 1 - (y + 1) + py
    y, x = int(y), int(x)
    in_left, in_right = 0 <= x < width, 0 <= x + 1 < width
    a, b = 0.0, 0.0
    if 0 <= y < height:
        a = (image[y, x, channel] * left if in_left else 0.0) + (image[y, x + 1, channel] * right if in_right else 0.0)
    if 0 <= y + 1 < height:
        b = image[y + 1, x, channel] * left if in_left else 0.0
        b = b + (image[y + 1, x + 1, channel] * right if in_right else 0.0)
    return a * up + b * down


@inlined
def _single(a, b):  # type: ignore[no-untyped-def]
    return float(np.float32(a) * np.float32(b))


@inlined
def mixed_single(image, py, px, channel):  # type: ignore[no-untyped-def]
    """Like ``mixed``, on an image in single precision.

    A neighbour outside counts as a double 0, and what it is added to becomes double with it: products and sums are
    single only as far as all that went into them was inside.

    Args:
        image: (H, W, channels), float32.
        py: row.
        px: column.
        channel: which.

    Returns:
        The value, and whether it is still single.
    """
    height, width = image.shape[:2]
    y, x = math.floor(py), math.floor(px)
    left, right = 1 - px + x, 1 - (x + 1) + px
    up, down = 1 - py + y, 1 - (y + 1) + py
    y, x = int(y), int(x)
    in_left, in_right, in_up, in_down = 0 <= x < width, 0 <= x + 1 < width, 0 <= y < height, 0 <= y + 1 < height
    single_a, single_b = in_left and in_right and in_up, in_left and in_right and in_down
    a = _single(image[y, x, channel], left) if in_left and in_up else 0.0
    a = a + (_single(image[y, x + 1, channel], right) if in_right and in_up else 0.0)
    b = _single(image[y + 1, x, channel], left) if in_left and in_down else 0.0
    b = b + (_single(image[y + 1, x + 1, channel], right) if in_right and in_down else 0.0)
    a = _single(a, up) if single_a else a * up
    b = _single(b, down) if single_b else b * down
    if single_a and single_b:
        return float(np.float32(a + b)), True
    return a + b, False
