"""Stars of many rays, whose light fades with the distance."""

import math

import numpy as np

from stormbench.corruptions.cbar.trigonometry import angle
from stormbench.corruptions.cbar.waves import level
from stormbench.corruptions.kernels.compiled import compiled, inlined

_TURN = 2.0 * math.pi


@inlined
def _light(lengths, exponent, turn, squared):  # type: ignore[no-untyped-def]
    """How bright a star is at a place, 0..1.

    Args:
        lengths: of the rays, pixels.
        exponent: of the fading.
        turn: the direction, in rays: 0 .. number of rays.
        squared: distance from the centre, pixels, squared.
    """
    ray = int(turn)
    part = turn - ray
    ray = ray if ray < lengths.size else ray - lengths.size
    after = ray + 1 if ray + 1 < lengths.size else 0
    length = lengths[ray] + part * (lengths[after] - lengths[ray])
    glow = length * length / (squared + 1e-4)
    if exponent != 1.0:
        glow = glow**exponent
    return min(max((1.0 - (part - 0.5) * (part - 0.5)) * glow, 0.0), 1.0)


@inlined
def _aim(y, row, column, count, turns, squares):  # type: ignore[no-untyped-def]
    """For a row of pixels, directions (in rays) and squared distances from a centre."""
    for x in range(turns.size):
        dy, dx = y - row, x - column
        distance = math.sqrt(dy * dy + dx * dx)
        squares[x] = distance * distance
        turns[x] = (angle(dx, dy) + math.pi) / _TURN * count


@compiled
def add_stars(image, centres, lengths, starts, out):  # type: ignore[no-untyped-def]
    """White stars, one after the other: v + f (255 - v), in single precision between them.

    Args:
        image: (H, W, 3), uint8.
        centres: (stars, 2), rows and columns.
        lengths: of all rays of all stars, pixels.
        starts: (stars + 1,), where each star's rays begin.
        out: like the image, written.
    """
    height, width = image.shape[:2]
    turns, squares = np.empty(width), np.empty(width)
    values = np.empty((width, 3))
    for y in range(height):
        for x in range(width):
            for channel in range(3):
                values[x, channel] = image[y, x, channel]
        for star in range(len(centres)):
            rays = lengths[starts[star] : starts[star + 1]]
            _aim(y, centres[star, 0], centres[star, 1], rays.size, turns, squares)
            for x in range(width):
                light = _light(rays, 1.0, turns[x], squares[x])
                for channel in range(3):
                    value = float(np.float32(values[x, channel]))
                    values[x, channel] = value + light * (255.0 - value)
        for x in range(width):
            for channel in range(3):
                out[y, x, channel] = level(values[x, channel])


@compiled
def keep_star(image, row, column, lengths, exponent, out):  # type: ignore[no-untyped-def]
    """Only what a star lights is kept, the rest is white: 255 + f (v - 255).

    Args:
        image: (H, W, 3), uint8.
        row: of the centre.
        column: of the centre.
        lengths: of the rays, pixels.
        exponent: of the fading.
        out: like the image, written.
    """
    height, width = image.shape[:2]
    turns, squares = np.empty(width), np.empty(width)
    for y in range(height):
        _aim(y, row, column, lengths.size, turns, squares)
        for x in range(width):
            light = _light(lengths, exponent, turns[x], squares[x])
            for channel in range(3):
                out[y, x, channel] = level(255.0 + light * (image[y, x, channel] - 255.0))
