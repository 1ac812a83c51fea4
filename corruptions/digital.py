"""Digital: contrast, elastic transform, pixelate, JPEG and, from the validation four, saturate.

``x`` is the image in 0..1.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import color

from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels.affine import warp_affine
from stormbench.corruptions.opencv import cv2
from stormbench.corruptions.pixels import Pixels, quantise


def contrast(image: Pixels, draws: Draws, *, factor: float) -> Pixels:  # noqa: ARG001
    """Factor (x - mean) + mean, with the mean of each channel of this image.

    Args:
        image: uint8 RGB, any H x W.
        draws: unused.
        factor: 0..1.
    """
    values = image / 255.0
    means = values.mean(axis=(0, 1), keepdims=True)
    return quantise((values - means) * factor + means)


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
    values = (image / 255.0).astype(np.float32)
    x, y, arm = width // 2, height // 2, min(height, width) // 3
    points = np.array([(x + arm, y + arm), (x + arm, y - arm), (x - arm, y - arm)], dtype=np.float32)
    moved = points + draws.uniform(-jitter * base, jitter * base, points.shape).astype(np.float32)
    values = warp_affine(values, np.asarray(cv2.getAffineTransform(points, moved), dtype=np.float64))
    right = _bend(draws, (height, width), smoothness * base, displacement * base)
    down = _bend(draws, (height, width), smoothness * base, displacement * base)
    rows, columns = np.mgrid[:height, :width]
    where = (rows + down, columns + right)
    bent = [ndimage.map_coordinates(values[:, :, c], where, order=1, mode="reflect") for c in range(3)]
    return quantise(np.stack(bent, axis=2))


def _bend(draws: Draws, shape: tuple[int, int], sigma: float, amplitude: float) -> NDArray[np.float32]:
    field = ndimage.gaussian_filter(draws.uniform(-1, 1, shape), sigma, mode="reflect", truncate=3)
    return np.asarray(field * amplitude, dtype=np.float32)


def pixelate(image: Pixels, draws: Draws, *, fraction: float) -> Pixels:  # noqa: ARG001
    """Shrunk to ``fraction`` of each side (truncated to whole pixels) and enlarged again, both by Pillow's box filter.

    Args:
        image: uint8 RGB, any H x W.
        draws: unused.
        fraction: 0..1.
    """
    height, width = image.shape[:2]
    small = Image.fromarray(image).resize((int(width * fraction), int(height * fraction)), Image.Resampling.BOX)
    return np.array(small.resize((width, height), Image.Resampling.BOX))


def jpeg_compression(image: Pixels, draws: Draws, *, quality: int) -> Pixels:  # noqa: ARG001
    """Pillow's JPEG, chroma 4:2:0, there and back.

    Args:
        image: uint8 RGB, any H x W.
        draws: unused.
        quality: 1..95.
    """
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def saturate(image: Pixels, draws: Draws, *, factor: float, shift: float) -> Pixels:  # noqa: ARG001
    """The saturation of HSV times ``factor`` plus ``shift``.

    Args:
        image: uint8 RGB, any H x W.
        draws: unused.
        factor: 0 or more.
        shift: 0..1.
    """
    hsv = color.rgb2hsv(image / 255.0)
    hsv[:, :, 1] = np.clip(hsv[:, :, 1] * factor + shift, 0, 1)
    return quantise(color.hsv2rgb(hsv))
