"""The nineteen corruptions in plain numpy, SciPy, OpenCV and scikit-image: what the fast kernels are held against.

Every function takes ``(image, rng, *, named quantities)`` with a legacy ``RandomState`` and draws in the reference's order.
"""

from collections.abc import Callable
from io import BytesIO
from math import ceil, cos, hypot, pi, radians, sin, sqrt
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import color

from stormbench.corruptions.textures import DIGESTS, frost_texture

Pixels = NDArray[np.uint8]


def quantise(values: NDArray[Any]) -> Pixels:
    return (np.clip(values, 0, 1) * 255).astype(np.uint8)


def magnify(image: NDArray[Any], factor: float) -> NDArray[Any]:
    """The middle of the image, enlarged by ``factor`` to the image's own size."""
    height, width = image.shape[:2]
    kept = [ceil(side / factor) for side in (height, width)]
    top, left = (height - kept[0]) // 2, (width - kept[1]) // 2
    middle = image[top : top + kept[0], left : left + kept[1]]
    enlarged = ndimage.zoom(middle, (factor, factor, 1)[: image.ndim], order=1)
    top, left = (enlarged.shape[0] - height) // 2, (enlarged.shape[1] - width) // 2
    return np.ascontiguousarray(enlarged[top : top + height, left : left + width])


def trail(
    radius: float, sigma: float, angle: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """The taps of a motion blur: a one-sided Gaussian along a line."""
    width = 2 * ceil(radius) + 1
    weights = np.array([np.exp(-(i * i) / (2.0 * sigma * sigma)) / (sqrt(2.0 * pi) * sigma) for i in range(width)])
    weights /= sum(weights.tolist())
    down, right = width * sin(radians(angle)), width * cos(radians(angle))
    length = hypot(down, right)
    rows = np.array([ceil(i * down / length - 0.5) for i in range(width)])
    columns = np.array([ceil(i * right / length - 0.5) for i in range(width)])
    return weights, rows, columns


def imagemagick(image: Pixels, radius: float, sigma: float, angle: float) -> Pixels:
    """ImageMagick 6 (Q16, no HDRI) ``-motion-blur`` to the bit."""
    height, width = image.shape[:2]
    total = np.zeros(image.shape)
    for weight, row, column in zip(*trail(radius, sigma, angle), strict=True):
        rows = np.clip(np.arange(height) + row, 0, height - 1)
        columns = np.clip(np.arange(width) + column, 0, width - 1)
        total += weight * (257.0 * image[rows[:, np.newaxis], columns])
    return (np.floor(total + 0.5) // 257).astype(np.uint8)


Field = NDArray[np.float64]


def plasma(size: int, decay: float, uniform: Callable[[float, float, tuple[int, ...]], Field]) -> Field:
    """A fractal landscape that wraps around."""
    heights = np.zeros((size, size))
    step, wibble = size, 100.0
    while step >= 2:
        half = step // 2

        def settle(neighbours: Field, wibble: float = wibble) -> Field:
            return neighbours / 4 + wibble * uniform(-wibble, wibble, neighbours.shape)

        corners = heights[::step, ::step]
        columns = corners + np.roll(corners, -1, axis=0)
        heights[half::step, half::step] = settle(columns + np.roll(columns, -1, axis=1))
        middles = heights[half::step, half::step]
        heights[::step, half::step] = settle(
            (middles + np.roll(middles, 1, axis=0)) + (corners + np.roll(corners, -1, axis=1))
        )
        heights[half::step, ::step] = settle(
            (middles + np.roll(middles, 1, axis=1)) + (corners + np.roll(corners, -1, axis=0))
        )
        step //= 2
        wibble /= decay
    heights -= heights.min()
    return np.asarray(heights / heights.max())


FRACTIONS = 32
"""OpenCV 4 knows the position inside a pixel to 1/32."""


def reflect_101(positions: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """Indices mirrored at the middle of the first and last pixel: d c b | a b c d | c b a."""
    period = 2 * (side - 1)
    positions = np.abs(positions) % period
    return np.minimum(positions, period - positions)


def inverse_map(matrix: NDArray[np.float64], height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each output pixel comes from, in 1/32 pixel, by OpenCV 4's fixed-point arithmetic."""
    (a, b, c), (d, e, f) = matrix.tolist()
    scale = 1.0 / (a * e - b * d)
    a, b, d, e = e * scale, b * -scale, d * -scale, a * scale
    c, f = -a * c - b * f, -d * c - e * f
    columns, rows = np.arange(width), np.arange(height)[:, np.newaxis]
    x = np.rint((b * rows + c) * 1024.0) + 16 + np.rint(a * columns * 1024.0)
    y = np.rint((e * rows + f) * 1024.0) + 16 + np.rint(d * columns * 1024.0)
    return x.astype(np.int64) >> 5, y.astype(np.int64) >> 5


def warp_affine(image: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """The image moved by an affine map, linear interpolation, border reflected without repeating its last pixel."""
    height, width = image.shape[:2]
    x, y = inverse_map(matrix, height, width)
    right, down = ((part % FRACTIONS / np.float32(FRACTIONS)).astype(np.float32)[:, :, np.newaxis] for part in (x, y))
    left, up = np.float32(1) - right, np.float32(1) - down
    x0, x1 = (reflect_101((x >> 5) + i, width) for i in (0, 1))
    y0, y1 = (reflect_101((y >> 5) + i, height) for i in (0, 1))
    return (
        image[y0, x0] * (up * left)
        + image[y0, x1] * (up * right)
        + image[y1, x0] * (down * left)
        + image[y1, x1] * (down * right)
    )


def gaussian_noise(image: Pixels, rng: np.random.RandomState, *, sigma: float) -> Pixels:
    """X + N(0, sigma**2)."""
    return quantise(image / 255.0 + rng.normal(0.0, sigma, image.shape))


def shot_noise(image: Pixels, rng: np.random.RandomState, *, photons: float) -> Pixels:
    """Poisson(photons x) / photons."""
    return quantise(rng.poisson(image / 255.0 * photons) / photons)


def impulse_noise(image: Pixels, rng: np.random.RandomState, *, fraction: float) -> Pixels:
    """Salt and pepper: a fraction of the channel values turn white or black, half of them each."""
    hit = rng.random_sample(image.shape) < fraction
    white = rng.random_sample(image.shape) < 0.5
    return np.where(hit, np.where(white, 255, 0), image).astype(np.uint8)


def speckle_noise(image: Pixels, rng: np.random.RandomState, *, sigma: float) -> Pixels:
    """X + x N(0, sigma**2)."""
    values = image / 255.0
    return quantise(values + values * rng.normal(0.0, sigma, image.shape))


def _smooth(image: Pixels, sigma: float) -> NDArray[np.float64]:
    return np.stack([ndimage.gaussian_filter(image[:, :, c] / 255.0, sigma, mode="nearest") for c in range(3)], axis=2)


def gaussian_blur(image: Pixels, rng: np.random.RandomState, *, sigma: float) -> Pixels:
    """G(sigma) x."""
    return quantise(_smooth(image, sigma))


def defocus_blur(image: Pixels, rng: np.random.RandomState, *, radius: float, antialias_sigma: float) -> Pixels:
    """X filtered with a disk whose rim is softened; the border is reflected without repeating its last pixel."""
    disk = disk_kernel(radius, antialias_sigma)
    return quantise(np.stack([cv2.filter2D(image[:, :, c] / 255.0, -1, disk) for c in range(3)], axis=2))


def disk_kernel(radius: float, antialias_sigma: float) -> NDArray[np.float32]:
    """A disk of sum 1, blurred over 3 x 3 pixels (5 x 5 where its radius is over 8); 17 x 17 at least."""
    reach, window = (8, 3) if radius <= 8 else (int(radius), 5)
    axis = np.arange(-reach, reach + 1)
    disk = (axis[:, np.newaxis] ** 2 + axis**2 <= radius**2).astype(np.float32)
    disk /= disk.sum()
    return np.asarray(cv2.GaussianBlur(disk, (window, window), sigmaX=antialias_sigma))


def glass_blur(image: Pixels, rng: np.random.RandomState, *, sigma: float, reach: int, repeats: int) -> Pixels:
    """Pixels are replaced by near ones, between two Gaussians: G(sigma), then shuffle, then G(sigma)."""
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
    """A trail in a direction within 45 degrees of horizontal, by ImageMagick's arithmetic (kernels/motion.py)."""
    return imagemagick(image, radius, sigma, rng.uniform(-45, 45))


def zoom_blur(image: Pixels, rng: np.random.RandomState, *, stop: float, step: float) -> Pixels:
    """The mean of x and of x magnified about its middle by each of 1, 1 + step, ... (kernels/zoom.py)."""
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
    """Blurred flakes, and the same flakes turned by 180 degrees, over a whitened image."""
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
    """A weighted sum of the image and of a random crop of one of five photographs of frost."""
    height, width = image.shape[:2]
    texture = _covering(frost_texture(rng.randint(len(DIGESTS)), texture_scale), height, width)
    top = rng.randint(texture.shape[0] - height)
    left = rng.randint(texture.shape[1] - width)
    crop = texture[top : top + height, left : left + width]
    return np.clip(image_weight * image + frost_weight * crop, 0, 255).astype(np.uint8)


def _covering(texture: Pixels, height: int, width: int) -> Pixels:
    """The texture, enlarged (bilinear) only where a crop of the given size would leave no choice of place."""
    factor = max((height + 1) / texture.shape[0], (width + 1) / texture.shape[1])
    if factor <= 1:
        return texture
    size = ceil(texture.shape[1] * factor), ceil(texture.shape[0] * factor)
    return np.asarray(cv2.resize(texture, size), dtype=np.uint8)


def fog(image: Pixels, rng: np.random.RandomState, *, amount: float, decay: float) -> Pixels:
    """(x + amount P) m / (m + amount), with P a fractal landscape (kernels/plasma.py) and m the maximum of x."""
    height, width = image.shape[:2]
    values = image / 255.0
    peak = values.max()
    size = 1 << (max(height, width) - 1).bit_length()
    mist = plasma(size, decay, rng.uniform)[:height, :width, np.newaxis]
    return quantise((values + amount * mist) * peak / (peak + amount))


def brightness(image: Pixels, rng: np.random.RandomState, *, shift: float) -> Pixels:
    """The value of HSV plus ``shift``."""
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
    """Drops of water (bright, with highlights along their edges) or splashes of mud."""
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
    """The shading of water: embossed distance from the drops' edges times the height of the liquid, 0..1."""
    distance = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    distance = cv2.threshold(distance, 20, 20, cv2.THRESH_TRUNC)[1]
    relief = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32)
    relief = cv2.blur(cv2.filter2D(relief, cv2.CV_8U, emboss), (3, 3)).astype(np.float32)
    shading = liquid.astype(np.float32) * relief
    peak = shading.max()
    return np.asarray(shading / peak if peak > 0 else shading)


def contrast(image: Pixels, rng: np.random.RandomState, *, factor: float) -> Pixels:
    """Factor (x - mean) + mean, with the mean of each channel of this image."""
    values = image / 255.0
    means = values.mean(axis=(0, 1), keepdims=True)
    return quantise((values - means) * factor + means)


def elastic_transform(
    image: Pixels, rng: np.random.RandomState, *, base: float, displacement: float, smoothness: float, jitter: float
) -> Pixels:
    """A random affine map, then a smooth random displacement of every pixel."""
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
    """Shrunk to ``fraction`` of each side (truncated to whole pixels) and enlarged again, both by Pillow's box filter."""
    height, width = image.shape[:2]
    small = Image.fromarray(image).resize((int(width * fraction), int(height * fraction)), Image.Resampling.BOX)
    return np.array(small.resize((width, height), Image.Resampling.BOX))


def jpeg_compression(image: Pixels, rng: np.random.RandomState, *, quality: int) -> Pixels:
    """Pillow's JPEG, chroma 4:2:0, there and back."""
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def saturate(image: Pixels, rng: np.random.RandomState, *, factor: float, shift: float) -> Pixels:
    """The saturation of HSV times ``factor`` plus ``shift``."""
    hsv = color.rgb2hsv(image / 255.0)
    hsv[:, :, 1] = np.clip(hsv[:, :, 1] * factor + shift, 0, 1)
    return quantise(color.hsv2rgb(hsv))
