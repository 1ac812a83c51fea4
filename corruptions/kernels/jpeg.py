"""To JPEG and back, by Pillow."""

from io import BytesIO

import numpy as np
from PIL import Image

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import compiled
from stormbench.corruptions.kernels.lanes import load, store
from stormbench.corruptions.pixels import as_compiled


def jpeg_bytes(image: Pixels, quality: int, *, optimize: bool = False) -> bytes:
    """A JPEG file with chroma 4:2:0, byte for byte as Pillow writes it.

    Inside Pillow a pixel has four bytes. Images that are handed over so need no repacking, which would take Pillow a
    tenth of the whole time.

    Args:
        image: (H, W, 3) RGB.
        quality: 1..95.
        optimize: make the file smaller, by the same pixels.
    """
    height, width = image.shape[:2]
    padded = np.empty((height, width, 4), np.uint8)
    _pad(as_compiled(image).ravel(), padded.ravel())
    file = BytesIO()
    picture = Image.frombuffer("RGBX", (width, height), padded, "raw", "RGBX", 0, 1)
    picture.save(file, "JPEG", quality=quality, optimize=optimize)
    return file.getvalue()


def jpeg_round_trip(image: Pixels, quality: int) -> Pixels:
    """The image after JPEG compression with chroma 4:2:0, by Pillow.

    It is known what the file holds, so nothing of it is parsed in Python; and pixels are taken back four bytes each.

    Args:
        image: (H, W, 3) RGB.
        quality: 1..95.
    """
    height, width = image.shape[:2]
    decoded = Image.frombytes("RGB", (width, height), jpeg_bytes(image, quality), "jpeg", "RGB", "")
    out = np.empty((height, width, 3), np.uint8)
    _unpad(np.frombuffer(decoded.tobytes("raw", "RGBX"), np.uint8), out.ravel())
    return out


@compiled
def _pad(pixels, padded):  # type: ignore[no-untyped-def]
    last = pixels.size // 3 - 1  # has nothing behind it to fill its fourth byte
    for x in range(last):
        store(padded, 4 * x, load(pixels, 3 * x))
    for k in range(3):
        padded[4 * last + k] = pixels[3 * last + k]
    padded[4 * last + 3] = 255


@compiled
def _unpad(padded, pixels):  # type: ignore[no-untyped-def]
    last = pixels.size // 3 - 1
    for x in range(last):
        store(pixels, 3 * x, load(padded, 4 * x))
    for k in range(3):
        pixels[3 * last + k] = padded[4 * last + k]
