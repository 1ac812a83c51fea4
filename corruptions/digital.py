"""Digital: contrast, elastic transform, pixelate, JPEG and, from the validation four, saturate.

``x`` is the image in 0..1.
"""

import numpy as np

from stormbench.cells import Pixels
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels import mix
from stormbench.corruptions.kernels.affine import affine_map, warp_affine
from stormbench.corruptions.kernels.bend import bend, smooth_reflected
from stormbench.corruptions.kernels.box import resize_box
from stormbench.corruptions.kernels.hsv import recolour
from stormbench.corruptions.kernels.jpeg import jpeg_round_trip


def contrast(image: Pixels, draws: Draws, *, factor: float) -> Pixels:  # noqa: ARG001
    """Less contrast: factor (x - mean) + mean, with the mean of each channel of this image.

    Args:
        image: uint8 RGB, any H x W.
        draws: unused.
        factor: 0..1.
    """
    return mix.contrast(image, factor)


def elastic_transform(
    image: Pixels, draws: Draws, *, base: float, displacement: float, smoothness: float, jitter: float
) -> Pixels:
    """A random affine map, then a smooth random displacement of every pixel.

    Three points around the middle, a third of the short side away, move by U(-jitter base, jitter base) and define
    the map. The displacement in each direction is G(smoothness base) U(-1, 1), times displacement base.

    Args:
        image: uint8 RGB, any H x W; displacements are in pixels, so a larger image is bent more finely.
        draws: the points, the columns' field, the rows' field.
        base: pixels.
        displacement: amplitude, in units of ``base``.
        smoothness: sigma of the Gaussian, in units of ``base``.
        jitter: of the points, in units of ``base``.
    """
    height, width = image.shape[:2]
    x, y, arm = width // 2, height // 2, min(height, width) // 3
    points = np.array([(x + arm, y + arm), (x + arm, y - arm), (x - arm, y - arm)], dtype=np.float32)
    moved = points + draws.uniform(-jitter * base, jitter * base, points.shape).astype(np.float32)
    right, down = (
        (smooth_reflected(draws.uniform(-1, 1, (height, width)), smoothness * base) * (displacement * base)).astype(
            np.float32
        )
        for _ in range(2)
    )
    return bend(warp_affine(image, affine_map(points, moved)), down, right)


def pixelate(image: Pixels, draws: Draws, *, fraction: float) -> Pixels:  # noqa: ARG001
    """Shrunk to ``fraction`` of each side (truncated to whole pixels) and enlarged again, by a box filter.

    The arithmetic is Pillow's (kernels/box.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: unused.
        fraction: 0..1.
    """
    height, width = image.shape[:2]
    return resize_box(resize_box(image, int(height * fraction), int(width * fraction)), height, width)


def jpeg_compression(image: Pixels, draws: Draws, *, quality: int) -> Pixels:  # noqa: ARG001
    """Pillow's JPEG, chroma 4:2:0, there and back.

    Args:
        image: uint8 RGB, any H x W.
        draws: unused.
        quality: 1..95.
    """
    return jpeg_round_trip(image, quality)


def saturate(image: Pixels, draws: Draws, *, factor: float, shift: float) -> Pixels:  # noqa: ARG001
    """The saturation of HSV times ``factor`` plus ``shift`` (kernels/hsv.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: unused.
        factor: 0 or more.
        shift: 0..1.
    """
    return recolour(image, value_shift=0.0, saturation_factor=factor, saturation_shift=shift)
