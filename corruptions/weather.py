"""Weather: snow, frost, fog, brightness and, from the validation four, spatter.

``x`` is the image in 0..1.
"""

from math import ceil

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels import mix, motion
from stormbench.corruptions.kernels.gaussian import half_weights, nearest, smooth_field
from stormbench.corruptions.kernels.hsv import recolour
from stormbench.corruptions.kernels.plasma import plasma
from stormbench.corruptions.kernels.zoom import enlarge, kept
from stormbench.corruptions.opencv import cv2, one_thread
from stormbench.corruptions.textures import DIGESTS, frost_texture

WATER = (np.array([175, 238, 238]) / 255.0).astype(np.float32)
MUD = (np.array([63, 42, 20]) / 255.0).astype(np.float32)


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
    """Blurred flakes, and the same flakes rotated by 180 degrees, over a whitened image.

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
    height, width = image.shape[:2]
    middle = draws.normal_middle(mean, deviation, (height, width), (kept(height, zoom), kept(width, zoom)))
    flakes = mix.thinned(enlarge(middle, height, width, zoom), threshold)
    return mix.snow(image, motion.motion_blur(flakes, radius, sigma, draws.angle(-135, -45)), image_weight)


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
    return mix.frost(image, texture, top, left, image_weight, frost_weight)


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
    size = 1 << (max(image.shape[:2]) - 1).bit_length()
    return mix.fog(image, plasma(size, decay, draws.units), amount)


def brightness(image: Pixels, draws: Draws, *, shift: float) -> Pixels:  # noqa: ARG001
    """The value of HSV plus ``shift`` (kernels/hsv.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: unused.
        shift: 0..1.
    """
    return recolour(image, value_shift=shift, saturation_factor=1.0, saturation_shift=0.0)


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
    field = draws.normal(mean, deviation, image.shape[:2])
    liquid = smooth_field(field, half_weights(smoothing), nearest)
    if not mud_sigma:
        liquid[liquid < threshold] = 0
        levels = (liquid * 255).astype(np.int32).astype(np.uint8)  # above 1 they wrap around, as the reference's do
        return mix.cover(image, drops(levels) * np.float32(water_strength), WATER, opaque=False)
    mask = smooth_field((liquid > threshold).astype(np.float64), half_weights(mud_sigma), nearest, single=True)
    mask[mask < 0.8] = 0
    return mix.cover(image, mask.astype(np.float32), MUD, opaque=True)


@one_thread()
def drops(liquid: Pixels) -> NDArray[np.float32]:
    """The shading of water: embossed distance from the drops' edges times the height of the liquid, 0..1."""
    distance = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    distance = cv2.threshold(distance, 20, 20, cv2.THRESH_TRUNC)[1]
    relief = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32)
    relief = cv2.blur(cv2.filter2D(relief, cv2.CV_8U, emboss), (3, 3)).astype(np.float32)
    shading = liquid.astype(np.float32) * relief
    peak = shading.max()
    return np.asarray(shading / peak if peak > 0 else shading)
