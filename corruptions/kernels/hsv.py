"""Brightness and saturation through HSV, with scikit-image's arithmetic in one pass.

With v the largest and m the smallest of r, g, b in 0..1 and d = v - m: s = d / v; h = ((g - b) / d, 2 + (b - r) / d or
4 + (r - g) / d, where red, green or blue is the largest, the last of them that is) / 6 mod 1. And back, with
i = floor(6 h), f = 6 h - i: p = v (1 - s), q = v (1 - f s), t = v (1 - (1 - f) s), and r, g, b by the sector i:
v t p, q v p, p v t, p q v, t p v, v p q.
"""

import numpy as np

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import UNIT, compiled


def recolour(image: Pixels, value_shift: float, saturation_factor: float, saturation_shift: float) -> Pixels:
    """Changes value and saturation: v becomes v + value_shift and s becomes s saturation_factor + saturation_shift.

    Args:
        image: (H, W, 3) RGB.
        value_shift: 0..1.
        saturation_factor: 0 or more; 1 with a shift of 0 leaves the saturation.
        saturation_shift: 0..1.
    """
    out = np.empty_like(image)
    _recolour(image.reshape(-1, 3), value_shift, saturation_factor, saturation_shift, out.reshape(-1, 3))
    return out


@compiled
def _recolour(image, value_shift, factor, shift, out):  # type: ignore[no-untyped-def]
    """In pieces, each colour by itself and without branches, so that several pixels are worked on at once."""
    size = 256
    red, green, blue = np.empty(size), np.empty(size), np.empty(size)
    for start in range(0, image.shape[0], size):
        count = min(size, image.shape[0] - start)
        for x in range(count):
            red[x], green[x], blue[x] = UNIT[image[start + x, 0]], UNIT[image[start + x, 1]], UNIT[image[start + x, 2]]
        for x in range(size):
            r, g, b = red[x], green[x], blue[x]
            v = max(r, max(g, b))
            d = v - min(r, min(g, b))
            span = 1.0 if d == 0.0 else d
            s = d / (1.0 if v == 0.0 else v)
            is_blue, is_green = b == v, g == v
            difference = (r - g) if is_blue else ((b - r) if is_green else (g - b))
            turn = 4.0 if is_blue else (2.0 if is_green else 0.0)
            h = (turn + difference / span) / 6.0
            h = h + 1.0 if h < 0.0 else h
            h = 0.0 if d == 0.0 else h
            v = min(max(v + value_shift, 0.0), 1.0)
            s = min(max(s * factor + shift, 0.0), 1.0)
            i = np.floor(h * 6.0)
            f = h * 6.0 - i
            p, q, t = v * (1.0 - s), v * (1.0 - f * s), v * (1.0 - (1.0 - f) * s)
            r = v if (i == 0.0) | (i == 5.0) else (q if i == 1.0 else (t if i == 4.0 else p))
            g = v if (i == 1.0) | (i == 2.0) else (t if i == 0.0 else (q if i == 3.0 else p))
            b = v if (i == 3.0) | (i == 4.0) else (t if i == 2.0 else (q if i == 5.0 else p))
            red[x], green[x], blue[x] = r * 255.0, g * 255.0, b * 255.0
        for x in range(count):
            out[start + x, 0] = np.uint8(np.int32(red[x]))
            out[start + x, 1] = np.uint8(np.int32(green[x]))
            out[start + x, 2] = np.uint8(np.int32(blue[x]))
