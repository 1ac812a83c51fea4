"""Light at the bottom of a pool, and what is seen through its surface."""

import math

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.cbar.bilinear import mixed_single
from stormbench.corruptions.cbar.trigonometry import cosine, sine
from stormbench.corruptions.kernels.compiled import compiled, inlined

TURN = 6.28318530718
"""The reference's two pi."""

RADIUS = 4
"""Of the Gaussian of sigma 1, cut at 4 sigma."""

WEIGHTS = np.exp(-0.5 * np.arange(RADIUS, -1, -1.0) ** 2)
WEIGHTS /= 2.0 * WEIGHTS[:-1].sum() + 1.0


def brightness(height: int, width: int, time: float, size: float) -> NDArray[np.float64]:
    """The light of each pixel, smoothed with a Gaussian of sigma 1 along rows, columns and the three equal channels.

    Args:
        height: rows.
        width: columns.
        time: of the waves.
        size: after so many pixels they repeat.

    Returns:
        (height, width), 0..1.
    """
    light = np.empty((height, width))
    _ripple(light, time, size)
    _smooth_columns(light)
    _smooth_rows(light)
    return light


@compiled
def _ripple(light, time, size):  # type: ignore[no-untyped-def]
    height, width = light.shape
    at_x, bent_y, bent_x, total = np.empty(width), np.empty(width), np.empty(width), np.empty(width)
    for x in range(width):
        at_x[x] = x / size % 1.0 * TURN - 250.0
    for y in range(height):
        at_y = y / size % 1.0 * TURN - 250.0
        bent_y[:], bent_x[:], total[:] = at_y, at_x, 1.0
        for n in range(5):
            t = time * (1.0 - 3.5 / (n + 1))
            for x in range(width):
                old_y, old_x = bent_y[x], bent_x[x]
                now_y = at_y + (cosine(t - old_y) + sine(t + old_x))
                now_x = at_x[x] + (sine(t - old_x) + cosine(t + old_y))
                a, b = at_y / (sine(now_y + t) / 0.005), at_x[x] / (cosine(now_x + t) / 0.005)
                bent_y[x], bent_x[x] = now_y, now_x
                total[x] += 1.0 / math.sqrt(a * a + b * b)
        for x in range(width):
            value = 1.17 - (total[x] / 5.0) ** 1.4
            value *= value
            value *= value
            light[y, x] = min(max(value * value, 0.0), 1.0)


@inlined
def _reflected(place, count):  # type: ignore[no-untyped-def]
    """The borders are mirrored, c b a | a b c | c b a, as often as it takes."""
    place = place % (2 * count)
    return place if place < count else 2 * count - 1 - place


@compiled
def _smooth_columns(light):  # type: ignore[no-untyped-def]
    """Filters down the columns, in place: so many columns at once as a cache holds."""
    height, width = light.shape
    band = 32
    copy = np.empty((height + 2 * RADIUS, band))
    for start in range(0, width, band):
        many = min(band, width - start)
        for y in range(height + 2 * RADIUS):
            copy[y, :many] = light[_reflected(y - RADIUS, height), start : start + many]
        for y in range(height):
            for x in range(many):
                total = copy[y + RADIUS, x] * WEIGHTS[RADIUS]
                for tap in range(RADIUS):
                    total += (copy[y + tap, x] + copy[y + 2 * RADIUS - tap, x]) * WEIGHTS[tap]
                light[y, start + x] = total


@compiled
def _smooth_rows(light):  # type: ignore[no-untyped-def]
    """Filters along the rows, then across three equal channels, in place."""
    height, width = light.shape
    copy = np.empty(width + 2 * RADIUS)
    for y in range(height):
        for x in range(width + 2 * RADIUS):
            copy[x] = light[y, _reflected(x - RADIUS, width)]
        for x in range(width):
            total = copy[x + RADIUS] * WEIGHTS[RADIUS]
            for tap in range(RADIUS):
                total += (copy[x + tap] + copy[x + 2 * RADIUS - tap]) * WEIGHTS[tap]
            across = total * WEIGHTS[RADIUS]
            for tap in range(RADIUS):
                across += (total + total) * WEIGHTS[tap]
            light[y, x] = across


@inlined
def _luma(light, y, x):  # type: ignore[no-untyped-def]
    if 0 <= y < light.shape[0] and 0 <= x < light.shape[1]:
        value = light[y, x]
        return value * 0.2126 + value * 0.7152 + value * 0.0722
    return 0.0


@inlined
def _refracted(slope_y, slope_x, lens):  # type: ignore[no-untyped-def]
    """How far a ray from straight above is moved, pixels, to a thousandth.

    It meets a surface of the normal (slope_y, slope_x, 1) and goes on at the angle of sin(phi) = sin(incidence) / 4.
    A surface that is flat but for a thousandth moves nothing.
    """
    long = math.sqrt(slope_y * slope_y + slope_x * slope_x + 1.0)
    across = 1.0 / long
    if across >= 1.0 - 1e-3:
        return 0.0, 0.0
    normal_y, normal_x = slope_y / long, slope_x / long
    tilt = normal_y * normal_y + normal_x * normal_x
    share = math.sqrt(1.0 - tilt / 16.0) - across / 4.0
    return np.rint(normal_y * share * lens * 1000.0) / 1000.0, np.rint(normal_x * share * lens * 1000.0) / 1000.0


@compiled
def refract(image, light, lens, glare, out):  # type: ignore[no-untyped-def]
    """The image seen through a surface that is as high as the light is bright.

    Args:
        image: (H, W, 3), float32, 0..1.
        light: (H, W).
        lens: pixels for a slope of 1, about.
        glare: how much slopes lighten.
        out: (H, W, 3), uint8, written.
    """
    height, width = light.shape
    for y in range(height):
        for x in range(width):
            rise_x = _luma(light, y, x - 1) - _luma(light, y, x + 1)
            rise_y = _luma(light, y + 1, x) - _luma(light, y - 1, x)
            move_y, move_x = _refracted(rise_y, -rise_x, lens)
            for channel in range(3):
                value, single = mixed_single(image, y + move_y, x + move_x, channel)
                if single:
                    value = float(np.float32(value) + np.float32(rise_x * glare))
                    value = float(np.float32(value) + np.float32(rise_y * glare))
                else:
                    value += rise_x * glare
                    value += rise_y * glare
                out[y, x, channel] = np.uint8(np.int32(min(max(value, 0.0), 1.0) * 255.0))
