"""Weather: snow, frost, fog, brightness and, from the validation four, spatter.

``x`` is the image in 0..1.
"""

from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import color

from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels import motion
from stormbench.corruptions.kernels.plasma import plasma
from stormbench.corruptions.kernels.zoom import magnify
from stormbench.corruptions.opencv import cv2
from stormbench.corruptions.pixels import Pixels, quantise
from stormbench.corruptions.textures import DIGESTS, frost_texture

WATER = np.array([175, 238, 238]) / 255.0
MUD = np.array([63, 42, 20]) / 255.0


def snow(
    image: Pixels,
    draws: Draws,
    *,
    mean: float,
    deviation: float,
    zoom: float,
    threshold: float,
    radius: float,
    sigma: float,
    image_weight: float,
) -> Pixels:
    """Blurred flakes, and the same flakes turned by 180 degrees, over a whitened image.

    L = N(mean, deviation**2), magnified by ``zoom``, nothing below ``threshold``, quantised, motion-blurred at an
    angle in -135 .. -45 degrees; y = w x + (1 - w) max(x, 1.5 grey(x) + 0.5); the result is y + L + rot180(L).

    Args:
        image: uint8 RGB, any H x W; a non-square one gets a field of its own shape.
        draws: the field, then the angle.
        mean: of the field.
        deviation: of the field.
        zoom: magnification of the flakes.
        threshold: of the field, 0..1.
        radius: of the motion blur, pixels.
        sigma: of the motion blur, pixels.
        image_weight: w.
    """
    values = (image / 255.0).astype(np.float32)
    field = magnify(draws.normal(mean, deviation, image.shape[:2]), zoom)
    field[field < threshold] = 0
    flakes = motion.motion_blur(quantise(field), radius, sigma, draws.angle(-135, -45)) / 255.0
    grey = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY)[:, :, np.newaxis]
    whitened = image_weight * values + (1 - image_weight) * np.maximum(values, grey * 1.5 + 0.5)
    return quantise(whitened + flakes[:, :, np.newaxis] + np.rot90(flakes, k=2)[:, :, np.newaxis])


def frost(image: Pixels, draws: Draws, *, image_weight: float, frost_weight: float, texture_scale: float) -> Pixels:
    """A weighted sum of the image and of a random crop of one of five photographs of frost.

    Args:
        image: uint8 RGB, any H x W. Where the texture does not exceed it in height and in width, the texture is
            enlarged, keeping its proportions, until it does.
        draws: the texture, the crop's row, its column.
        image_weight: of the image.
        frost_weight: of the texture.
        texture_scale: textures are shrunk by it.

    Raises:
        MissingDependencyError: the textures are not installed.
    """
    height, width = image.shape[:2]
    texture = _covering(frost_texture(draws.index(len(DIGESTS)), texture_scale), height, width)
    top = draws.index(texture.shape[0] - height)
    left = draws.index(texture.shape[1] - width)
    crop = texture[top : top + height, left : left + width]
    return np.clip(image_weight * image + frost_weight * crop, 0, 255).astype(np.uint8)


def _covering(texture: Pixels, height: int, width: int) -> Pixels:
    """The texture, enlarged (bilinear) only where a crop of the given size would leave no choice of place."""
    factor = max((height + 1) / texture.shape[0], (width + 1) / texture.shape[1])
    if factor <= 1:
        return texture
    size = ceil(texture.shape[1] * factor), ceil(texture.shape[0] * factor)
    return np.asarray(cv2.resize(texture, size), dtype=np.uint8)


def fog(image: Pixels, draws: Draws, *, amount: float, decay: float) -> Pixels:
    """(x + amount P) m / (m + amount), with P a fractal landscape (kernels/plasma.py) and m the maximum of x.

    Args:
        image: uint8 RGB, any H x W; it gets the top left of a landscape whose side is the next power of two.
        draws: the landscape.
        amount: of fog.
        decay: ratio of the amplitudes of neighbouring octaves.
    """
    height, width = image.shape[:2]
    values = image / 255.0
    peak = values.max()
    size = 1 << (max(height, width) - 1).bit_length()
    mist = plasma(size, decay, draws.uniform)[:height, :width, np.newaxis]
    return quantise((values + amount * mist) * peak / (peak + amount))


def brightness(image: Pixels, draws: Draws, *, shift: float) -> Pixels:  # noqa: ARG001
    """The value of HSV plus ``shift``.

    Args:
        image: uint8 RGB, any H x W.
        draws: unused.
        shift: 0..1.
    """
    hsv = color.rgb2hsv(image / 255.0)
    hsv[:, :, 2] = np.clip(hsv[:, :, 2] + shift, 0, 1)
    return quantise(color.hsv2rgb(hsv))


def spatter(
    image: Pixels,
    draws: Draws,
    *,
    mean: float,
    deviation: float,
    smoothing: float,
    threshold: float,
    water_strength: float,
    mud_sigma: float,
) -> Pixels:
    """Drops of water (bright, with highlights along their edges) or splashes of mud.

    Args:
        image: uint8 RGB, any H x W; a non-square one gets a field of its own shape.
        draws: the field.
        mean: of the field.
        deviation: of the field.
        smoothing: sigma of the Gaussian over the field, pixels.
        threshold: below it there is no liquid.
        water_strength: of the drops of water.
        mud_sigma: of the Gaussian over the mask of mud, pixels; 0 means water.
    """
    values = (image / 255.0).astype(np.float32)
    field = ndimage.gaussian_filter(draws.normal(mean, deviation, image.shape[:2]), smoothing, mode="nearest")
    field[field < threshold] = 0
    if mud_sigma:
        mask = ndimage.gaussian_filter((field > threshold).astype(np.float32), mud_sigma, mode="nearest")
        mask[mask < 0.8] = 0
        cover = mask[:, :, np.newaxis]
        return quantise(values * (1 - cover) + cover * MUD.astype(np.float32))
    drops = _drops((field * 255).astype(np.uint8)) * water_strength
    return quantise(values + drops[:, :, np.newaxis] * WATER.astype(np.float32))


def _drops(liquid: Pixels) -> NDArray[np.float32]:
    """The shading of water: embossed distance from the drops' edges times the height of the liquid, 0..1."""
    distance = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    distance = cv2.threshold(distance, 20, 20, cv2.THRESH_TRUNC)[1]
    relief = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32)
    relief = cv2.blur(cv2.filter2D(relief, cv2.CV_8U, emboss), (3, 3)).astype(np.float32)
    shading = liquid.astype(np.float32) * relief
    peak = shading.max()
    return np.asarray(shading / peak if peak > 0 else shading)
