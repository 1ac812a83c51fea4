"""An image and what lies over it, put together in one pass."""

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import UNIT, UNIT32, compiled, inlined, to_byte

RED, GREEN, BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)


def frost(image: Pixels, texture: Pixels, top: int, left: int, image_weight: float, frost_weight: float) -> Pixels:
    """image_weight image + frost_weight texture, clipped to 0..255 and truncated.

    Args:
        image: (H, W, 3).
        texture: larger than the image.
        top: row of the texture that lies on the image's first.
        left: column likewise.
        image_weight: of the image.
        frost_weight: of the texture.
    """
    out = np.empty_like(image)
    height = image.shape[0]
    _frost(
        image.reshape(height, -1),
        texture.reshape(texture.shape[0], -1),
        top,
        3 * left,
        image_weight,
        frost_weight,
        out.reshape(height, -1),
    )
    return out


@compiled
def _frost(image, texture, top, start, image_weight, frost_weight, out):  # type: ignore[no-untyped-def]
    height, length = image.shape
    for y in range(height):
        line, cover = image[y], texture[top + y, start : start + length]
        for x in range(length):
            total = image_weight * np.float64(line[x]) + frost_weight * np.float64(cover[x])
            out[y, x] = np.uint8(np.int32(min(total, 255.0)))


def fog(image: Pixels, heights: NDArray[np.float64], amount: float) -> Pixels:
    """(x + amount P) m / (m + amount), with m the maximum of x and P the heights brought to 0..1.

    Args:
        image: (H, W, 3).
        heights: at least as high and wide.
        amount: of fog.
    """
    out = np.empty_like(image)
    height = image.shape[0]
    _fog(image.reshape(height, -1), heights, amount, UNIT[image.max()], out.reshape(height, -1))
    return out


@compiled
def _fog(image, heights, amount, peak, out):  # type: ignore[no-untyped-def]
    low = high = heights[0, 0]
    for row in range(heights.shape[0]):
        for height in heights[row]:
            low, high = min(low, height), max(high, height)
    mist = np.empty(image.shape[1])
    for row in range(image.shape[0]):
        for column in range(image.shape[1] // 3):
            here = amount * ((heights[row, column] - low) / (high - low))
            mist[3 * column], mist[3 * column + 1], mist[3 * column + 2] = here, here, here
        line = image[row]
        for x in range(line.size):
            out[row, x] = to_byte(((np.float64(line[x]) / 255.0 + mist[x]) * peak) / (peak + amount))


def snow(image: Pixels, flakes: Pixels, image_weight: float) -> Pixels:
    """Flakes over a whitened image: y + L + rot180(L) with y = w x + (1 - w) max(x, 1.5 grey(x) + 0.5).

    The whitened image is single precision, the sum double.

    Args:
        image: (H, W, 3).
        flakes: (H, W), 255 L.
        image_weight: w.
    """
    out = np.empty_like(image)
    height = image.shape[0]
    _snow(
        image.reshape(height, -1),
        flakes,
        np.float32(image_weight),
        np.float32(1 - image_weight),
        out.reshape(height, -1),
    )
    return out


@inlined
def _fused(a, b, c):  # type: ignore[no-untyped-def]
    """The sum a b + c in single precision, rounded once, as OpenCV's grey is summed."""
    return np.float32(np.float64(a) * np.float64(b) + np.float64(c))


@compiled
def _snow(image, flakes, weight, rest, out):  # type: ignore[no-untyped-def]
    height, width = flakes.shape
    x, white = np.empty(3 * width, np.float32), np.empty(3 * width, np.float32)
    flake, rotated = np.empty(3 * width), np.empty(3 * width)
    for row in range(height):
        line = image[row]
        for i in range(x.size):
            x[i] = np.float32(line[i]) / np.float32(255)
        for column in range(width):
            i = 3 * column
            grey = _fused(x[i + 2], BLUE, _fused(x[i], RED, x[i + 1] * GREEN))
            grey = grey * np.float32(1.5) + np.float32(0.5)
            here, there = UNIT[flakes[row, column]], UNIT[flakes[height - 1 - row, width - 1 - column]]
            white[i], white[i + 1], white[i + 2] = grey, grey, grey
            flake[i], flake[i + 1], flake[i + 2] = here, here, here
            rotated[i], rotated[i + 1], rotated[i + 2] = there, there, there
        for i in range(x.size):
            whitened = weight * x[i] + rest * max(x[i], white[i])
            out[row, i] = to_byte((np.float64(whitened) + flake[i]) + rotated[i])


def contrast(image: Pixels, factor: float) -> Pixels:
    """Less contrast: factor (x - mean) + mean for each channel.

    Args:
        image: (H, W, 3).
        factor: 0..1.
    """
    out = np.empty_like(image)
    _contrast(image.reshape(-1, 3), factor, out.reshape(-1, 3))
    return out


@compiled
def _contrast(image, factor, out):  # type: ignore[no-untyped-def]
    """A table for each channel, from the mean summed pixel by pixel."""
    tables = np.empty((3, 256), np.uint8)
    red = green = blue = 0.0
    for x in range(image.shape[0]):
        red += UNIT[image[x, 0]]
        green += UNIT[image[x, 1]]
        blue += UNIT[image[x, 2]]
    for k, total in enumerate((red, green, blue)):
        mean = total / image.shape[0]
        for v in range(256):
            tables[k, v] = to_byte((UNIT[v] - mean) * factor + mean)
    for x in range(image.shape[0]):
        for k in range(3):
            out[x, k] = tables[k, image[x, k]]


def thinned(field: NDArray[np.float64], threshold: float) -> Pixels:
    """A field in 0..1 with everything below the threshold taken away, quantised.

    Args:
        field: (H, W).
        threshold: 0..1.
    """
    out = np.empty(field.shape, np.uint8)
    _thinned(field.ravel(), threshold, out.ravel())
    return out


@compiled
def _thinned(field, threshold, out):  # type: ignore[no-untyped-def]
    for x in range(field.size):
        out[x] = to_byte(0.0 if field[x] < threshold else field[x])


def cover(image: Pixels, mask: NDArray[np.float32], colour: NDArray[np.float32], *, opaque: bool) -> Pixels:
    """A coloured layer: x + mask colour, or x (1 - mask) + mask colour where it is opaque, in single precision.

    Args:
        image: (H, W, 3).
        mask: (H, W).
        colour: (3,), 0..1.
        opaque: whether the image does not shine through.
    """
    out = np.empty_like(image)
    _cover(image, mask, colour, opaque, out)
    return out


@compiled
def _cover(image, mask, colour, opaque, out):  # type: ignore[no-untyped-def]
    zero, one = np.float32(0), np.float32(1)
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            amount = mask[row, column]
            share = one - amount if opaque else one
            for k in range(3):
                total = UNIT32[image[row, column, k]] * share + amount * colour[k]
                out[row, column, k] = np.uint8(np.int32(min(max(total, zero), one) * np.float32(255)))
