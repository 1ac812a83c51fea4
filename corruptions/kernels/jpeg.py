"""To JPEG and back, by Pillow."""

from io import BytesIO

import numpy as np
from PIL import Image

from stormbench.corruptions.kernels.compiled import compiled
from stormbench.corruptions.kernels.lanes import load, store
from stormbench.corruptions.pixels import Pixels


def jpeg_round_trip(image: Pixels, quality: int) -> Pixels:
    """The image after JPEG compression with chroma 4:2:0.

    Inside Pillow a pixel has four bytes. Handed over and taken back so, images need no repacking, which takes Pillow a
    tenth of the whole time; nor need the file be parsed in Python, as it is known what it holds.

    Args:
        image: (H, W, 3) RGB.
        quality: 1..95.
    """
    height, width = image.shape[:2]
    padded = np.empty((height, width, 4), np.uint8)
    _pad(image.ravel(), padded.ravel())
    file = BytesIO()
    Image.frombuffer("RGBX", (width, height), padded, "raw", "RGBX", 0, 1).save(file, "JPEG", quality=quality)
    decoded = Image.frombytes("RGB", (width, height), file.getvalue(), "jpeg", "RGB", "")
    out = np.empty_like(image)
    _unpad(np.frombuffer(decoded.tobytes("raw", "RGBX"), np.uint8), out.ravel())
    return out


@compiled
def _pad(pixels, padded):  # type: ignore[no-untyped-def]
    last = pixels.size // 3 - 1  # has nothing behind it to fill its fourth byte
    for x in range(last):
        store(padded, 4 * x, load(pixels, 3 * x))
    padded[4 * last : 4 * last + 3] = pixels[3 * last :]
    padded[4 * last + 3] = 255


@compiled
def _unpad(padded, pixels):  # type: ignore[no-untyped-def]
    last = pixels.size // 3 - 1
    for x in range(last):
        store(pixels, 3 * x, load(padded, 4 * x))
    pixels[3 * last :] = padded[4 * last : 4 * last + 3]
