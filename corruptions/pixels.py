"""What goes in and what comes out: uint8 images of height x width x RGB."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.errors import InputError

SMALLEST_SIDE = 16


def as_pixels(image: object) -> Pixels:
    """The image as a contiguous RGB array.

    Grey images (H x W or H x W x 1) are replicated to three channels. The alpha of an RGBA image is dropped, not
    composited: its colours are taken as they are, which is what Pillow's ``convert("RGB")`` does.

    Args:
        image: uint8 array of shape (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA, H and W from 16 up.

    Returns:
        uint8 array of shape (H, W, 3), row-major.

    Raises:
        InputError: it is not such an array.
    """
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"image must be a numpy array of dtype uint8, got {type(image).__name__}; try numpy.asarray(image)"
        )
    if image.dtype != np.uint8:
        raise InputError(f"image must have dtype uint8 with values 0..255, got {image.dtype}; scale and round it first")
    if image.ndim == 2:
        image = image[:, :, np.newaxis]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        raise InputError(f"image must have shape H x W, H x W x 1, H x W x 3 or H x W x 4, got {image.shape}")
    if min(image.shape[:2]) < SMALLEST_SIDE:
        raise InputError(f"image must have {SMALLEST_SIDE} rows and columns or more, got shape {image.shape}")
    colours = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image[:, :, :3]
    return as_compiled(colours)


def as_compiled(pixels: Pixels) -> Pixels:
    """The array if it is row-major and writeable, else a copy that is: kernels are compiled for no other kind."""
    return pixels if pixels.flags.c_contiguous and pixels.flags.writeable else np.array(pixels, order="C")


def quantise(values: NDArray[Any]) -> Pixels:
    """Clips to 0..1, scales to 0..255 and truncates: the reference's rule, and the only one here."""
    return np.asarray(np.clip(values, 0, 1) * 255).astype(np.uint8)
