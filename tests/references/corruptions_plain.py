"""The nineteen corruptions in plain numpy, SciPy, OpenCV and scikit-image: what the fast kernels are held against.

Every function takes ``(image, rng, *, named quantities)``, ``rng`` a legacy ``RandomState``, and draws in the
reference's order.
"""

from io import BytesIO
from math import ceil

import cv2
import numpy as np
from corruptions_arithmetic import Pixels, imagemagick, magnify, plasma, quantise, warp_affine
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import color

from stormbench.corruptions.textures import DIGESTS, frost_texture


def gaussian_noise(image: Pixels, rng: np.random.RandomState, *, sigma: float) -> Pixels:
    return quantise(image / 255.0 + rng.normal(0.0, sigma, image.shape))


def shot_noise(image: Pixels, rng: np.random.RandomState, *, photons: float) -> Pixels:
    return quantise(rng.poisson(image / 255.0 * photons) / photons)


def impulse_noise(image: Pixels, rng: np.random.RandomState, *, fraction: float) -> Pixels:
    hit = rng.random_sample(image.shape) < fraction
    white = rng.random_sample(image.shape) < 0.5
    return np.where(hit, np.where(white, 255, 0), image).astype(np.uint8)


def speckle_noise(image: Pixels, rng: np.random.RandomState, *, sigma: float) -> Pixels:
    values = image / 255.0
    return quantise(values + values * rng.normal(0.0, sigma, image.shape))


def _smooth(image: Pixels, sigma: float) -> NDArray[np.float64]:
    return np.stack([ndimage.gaussian_filter(image[:, :, c] / 255.0, sigma, mode="nearest") for c in range(3)], axis=2)


def gaussian_blur(image: Pixels, rng: np.random.RandomState, *, sigma: float) -> Pixels:
    return quantise(_smooth(image, sigma))


def defocus_blur(image: Pixels, rng: np.random.RandomState, *, radius: float, antialias_sigma: float) -> Pixels:
    disk = disk_kernel(radius, antialias_sigma)
    return quantise(np.stack([cv2.filter2D(image[:, :, c] / 255.0, -1, disk) for c in range(3)], axis=2))


def disk_kernel(radius: float, antialias_sigma: float) -> NDArray[np.float32]:
    reach, window = (8, 3) if radius <= 8 else (int(radius), 5)
    axis = np.arange(-reach, reach + 1)
    disk = (axis[:, np.newaxis] ** 2 + axis**2 <= radius**2).astype(np.float32)
    disk /= disk.sum()
    return np.asarray(cv2.GaussianBlur(disk, (window, window), sigmaX=antialias_sigma))


def glass_blur(image: Pixels, rng: np.random.RandomState, *, sigma: float, reach: int, repeats: int) -> Pixels:
    height, width = image.shape[:2]
    shuffled = quantise(_smooth(image, sigma))
    shifts = rng.randint(-reach, reach, (repeats, max(height - 2 * reach, 0), max(width - 2 * reach, 0), 2))
    _copy_near(shuffled, shifts, reach)
    return quantise(_smooth(shuffled, sigma))


def _copy_near(image: Pixels, shifts: NDArray[np.int64], reach: int) -> None:
    height, width = image.shape[:2]
    for repeat in range(shifts.shape[0]):
        for i in range(shifts.shape[1]):
            for j in range(shifts.shape[2]):
                row, column = height - reach - i, width - reach - j
                dx, dy = shifts[repeat, i, j]
                for c in range(3):
                    image[row, column, c] = image[row + dy, column + dx, c]


def motion_blur(image: Pixels, rng: np.random.RandomState, *, radius: float, sigma: float) -> Pixels:
    return imagemagick(image, radius, sigma, rng.uniform(-45, 45))


def zoom_blur(image: Pixels, rng: np.random.RandomState, *, stop: float, step: float) -> Pixels:
    values = (image / 255.0).astype(np.float32)
    factors = np.arange(1, stop, step)
    total = np.zeros_like(values)
    for factor in factors:
        total += magnify(values, factor)
    return quantise((values + total) / (len(factors) + 1))


WATER = np.array([175, 238, 238]) / 255.0
MUD = np.array([63, 42, 20]) / 255.0


def snow(
    image: Pixels,
    rng: np.random.RandomState,
    *,
    mean: float,
    deviation: float,
    zoom: float,
    threshold: float,
    radius: float,
    sigma: float,
    image_weight: float,
) -> Pixels:
    values = (image / 255.0).astype(np.float32)
    field = magnify(rng.normal(mean, deviation, image.shape[:2]), zoom)
    field[field < threshold] = 0
    flakes = imagemagick(quantise(field), radius, sigma, rng.uniform(-135, -45)) / 255.0
    grey = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY)[:, :, np.newaxis]
    whitened = image_weight * values + (1 - image_weight) * np.maximum(values, grey * 1.5 + 0.5)
    return quantise(whitened + flakes[:, :, np.newaxis] + np.rot90(flakes, k=2)[:, :, np.newaxis])


def frost(
    image: Pixels, rng: np.random.RandomState, *, image_weight: float, frost_weight: float, texture_scale: float
) -> Pixels:
    height, width = image.shape[:2]
    texture = _covering(frost_texture(rng.randint(len(DIGESTS)), texture_scale), height, width)
    top = rng.randint(texture.shape[0] - height)
    left = rng.randint(texture.shape[1] - width)
    crop = texture[top : top + height, left : left + width]
    return np.clip(image_weight * image + frost_weight * crop, 0, 255).astype(np.uint8)


def _covering(texture: Pixels, height: int, width: int) -> Pixels:
    factor = max((height + 1) / texture.shape[0], (width + 1) / texture.shape[1])
    if factor <= 1:
        return texture
    size = ceil(texture.shape[1] * factor), ceil(texture.shape[0] * factor)
    return np.asarray(cv2.resize(texture, size), dtype=np.uint8)


def fog(image: Pixels, rng: np.random.RandomState, *, amount: float, decay: float) -> Pixels:
    height, width = image.shape[:2]
    values = image / 255.0
    peak = values.max()
    size = 1 << (max(height, width) - 1).bit_length()
    mist = plasma(size, decay, rng.uniform)[:height, :width, np.newaxis]
    return quantise((values + amount * mist) * peak / (peak + amount))


def brightness(image: Pixels, rng: np.random.RandomState, *, shift: float) -> Pixels:
    hsv = color.rgb2hsv(image / 255.0)
    hsv[:, :, 2] = np.clip(hsv[:, :, 2] + shift, 0, 1)
    return quantise(color.hsv2rgb(hsv))


def spatter(
    image: Pixels,
    rng: np.random.RandomState,
    *,
    mean: float,
    deviation: float,
    smoothing: float,
    threshold: float,
    water_strength: float,
    mud_sigma: float,
) -> Pixels:
    values = (image / 255.0).astype(np.float32)
    field = ndimage.gaussian_filter(rng.normal(mean, deviation, image.shape[:2]), smoothing, mode="nearest")
    field[field < threshold] = 0
    if mud_sigma:
        mask = ndimage.gaussian_filter((field > threshold).astype(np.float32), mud_sigma, mode="nearest")
        mask[mask < 0.8] = 0
        cover = mask[:, :, np.newaxis]
        return quantise(values * (1 - cover) + cover * MUD.astype(np.float32))
    drops = _drops((field * 255).astype(np.uint8)) * water_strength
    return quantise(values + drops[:, :, np.newaxis] * WATER.astype(np.float32))


def _drops(liquid: Pixels) -> NDArray[np.float32]:
    distance = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    distance = cv2.threshold(distance, 20, 20, cv2.THRESH_TRUNC)[1]
    relief = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32)
    relief = cv2.blur(cv2.filter2D(relief, cv2.CV_8U, emboss), (3, 3)).astype(np.float32)
    shading = liquid.astype(np.float32) * relief
    peak = shading.max()
    return np.asarray(shading / peak if peak > 0 else shading)


def contrast(image: Pixels, rng: np.random.RandomState, *, factor: float) -> Pixels:
    values = image / 255.0
    means = values.mean(axis=(0, 1), keepdims=True)
    return quantise((values - means) * factor + means)


def elastic_transform(
    image: Pixels, rng: np.random.RandomState, *, base: float, displacement: float, smoothness: float, jitter: float
) -> Pixels:
    height, width = image.shape[:2]
    values = (image / 255.0).astype(np.float32)
    x, y, arm = width // 2, height // 2, min(height, width) // 3
    points = np.array([(x + arm, y + arm), (x + arm, y - arm), (x - arm, y - arm)], dtype=np.float32)
    moved = points + rng.uniform(-jitter * base, jitter * base, points.shape).astype(np.float32)
    values = warp_affine(values, np.asarray(cv2.getAffineTransform(points, moved), dtype=np.float64))
    right = _bend(rng, (height, width), smoothness * base, displacement * base)
    down = _bend(rng, (height, width), smoothness * base, displacement * base)
    rows, columns = np.mgrid[:height, :width]
    where = (rows + down, columns + right)
    bent = [ndimage.map_coordinates(values[:, :, c], where, order=1, mode="reflect") for c in range(3)]
    return quantise(np.stack(bent, axis=2))


def _bend(rng: np.random.RandomState, shape: tuple[int, int], sigma: float, amplitude: float) -> NDArray[np.float32]:
    field = ndimage.gaussian_filter(rng.uniform(-1, 1, shape), sigma, mode="reflect", truncate=3)
    return np.asarray(field * amplitude, dtype=np.float32)


def pixelate(image: Pixels, rng: np.random.RandomState, *, fraction: float) -> Pixels:
    height, width = image.shape[:2]
    small = Image.fromarray(image).resize((int(width * fraction), height), Image.Resampling.BOX)
    small = small.resize((int(width * fraction), int(height * fraction)), Image.Resampling.BOX)
    wide = small.resize((width, small.height), Image.Resampling.BOX)
    return np.array(wide.resize((width, height), Image.Resampling.BOX))


def jpeg_compression(image: Pixels, rng: np.random.RandomState, *, quality: int) -> Pixels:
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def saturate(image: Pixels, rng: np.random.RandomState, *, factor: float, shift: float) -> Pixels:
    hsv = color.rgb2hsv(image / 255.0)
    hsv[:, :, 1] = np.clip(hsv[:, :, 1] * factor + shift, 0, 1)
    return quantise(color.hsv2rgb(hsv))
