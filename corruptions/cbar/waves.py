"""Waves over the whole image: a sine, a sawtooth of rings, and a plasma."""

import math

import numpy as np

from stormbench.corruptions.cbar.trigonometry import angle, cosine, sine
from stormbench.corruptions.kernels.compiled import compiled, inlined


@inlined
def level(value):  # type: ignore[no-untyped-def]
    """Clips to 0..255 and truncates: the reference's way back to a byte."""
    return np.uint8(np.int32(min(max(value, 0.0), 255.0)))


@inlined
def add_grey(values, strength, grey, out):  # type: ignore[no-untyped-def]
    """Adds the same number to all channels of a row of pixels."""
    for x in range(grey.size):
        for channel in range(3):
            out[x, channel] = level(values[x, channel] + strength * grey[x])


@compiled
def plane_wave(image, strength, along, down, phase, out):  # type: ignore[no-untyped-def]
    """Adds strength sin(x along + y down + phase).

    Args:
        image: (H, W, 3), uint8.
        strength: grey levels.
        along: radians a column.
        down: radians a row.
        phase: radians.
        out: like the image, written.
    """
    height, width = image.shape[:2]
    grey = np.empty(width)
    for y in range(height):
        for x in range(width):
            grey[x] = sine(x * along + y * down + phase)
        add_grey(image[y], strength, grey, out[y])


@compiled
def ring_wave(image, strength, x0, y0, frequency, amplitude, ring, out):  # type: ignore[no-untyped-def]
    """Adds a sawtooth of the distance from a centre, the distance itself waving with the direction.

    Args:
        image: (H, W, 3), uint8.
        strength: grey levels from a tooth's foot to its tip.
        x0: column of the centre.
        y0: its row.
        frequency: waves in a full turn.
        amplitude: of the distance, pixels.
        ring: from tooth to tooth, pixels.
        out: like the image, written.
    """
    height, width = image.shape[:2]
    grey, distance = np.empty(width), np.empty(width)
    for y in range(height):
        for x in range(width):
            dx, dy = x - x0, y - y0
            distance[x] = math.sqrt(dx * dx + dy * dy) + sine(angle(dx, dy) * frequency) * amplitude
        for x in range(width):
            grey[x] = distance[x] % ring / ring - 0.5
        add_grey(image[y], strength, grey, out[y])


@compiled
def plasma_wave(image, strength, time, repeats, sharpness, scale, out):  # type: ignore[no-untyped-def]
    """Mixes the image with three sines of coordinates that have been bent by sines of each other.

    Args:
        image: (H, W, 3), uint8.
        strength: of the plasma, grey levels.
        time: radians.
        repeats: how often the coordinates are bent.
        sharpness: of the bending.
        scale: pixels.
        out: like the image, written.
    """
    height, width = image.shape[:2]
    bent_x, bent_y = np.empty(width), np.empty(width)
    kept = 1.0 - strength / 255.0
    for y in range(height):
        for x in range(width):
            bent_x[x], bent_y[x] = x / scale, y / scale
        zoom, pace, share = 1.0, 1.0, 1.0
        for _ in range(repeats):
            for x in range(width):
                r0 = cosine(bent_y[x] * zoom + time / pace) / share
                r1 = sine(bent_x[x] * zoom + time / pace) / share
                bent_x[x] += r0 - 0.3 * r1
                bent_y[x] += r1 + 0.3 * r0
            zoom, pace, share = zoom * 1.93, pace * 1.15, share * (2.25 - sharpness)
        for x in range(width):
            red, blue = sine(bent_x[x] - time), sine(bent_y[x] + time)
            green = sine((bent_x[x] + bent_y[x] + math.sin(time)) * 0.5)
            out[y, x, 0] = level(kept * image[y, x, 0] + strength * red)
            out[y, x, 1] = level(kept * image[y, x, 1] + strength * green)
            out[y, x, 2] = level(kept * image[y, x, 2] + strength * blue)
