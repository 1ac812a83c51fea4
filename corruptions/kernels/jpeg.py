"""To JPEG and back: files by Pillow, pixels to the same bit without a file where Pillow's codec allows it."""

import logging
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import compiled
from stormbench.corruptions.kernels.lanes import load, store
from stormbench.corruptions.kernels.roundtrip import round_trip
from stormbench.corruptions.pixels import as_compiled

NARROWEST = 5
"""In images with fewer columns libjpeg does not blend the chroma of neighbours."""

logger = logging.getLogger(__name__)


def jpeg_round_trip(image: Pixels, quality: int) -> Pixels:
    """The image after JPEG compression with chroma 4:2:0, to the bit as Pillow's codec gives it.

    Computed without writing a file (kernels/roundtrip.py). The first call compares that with the installed codec; if
    they differ, this process stays with the codec and a warning is logged.

    Args:
        image: (H, W, 3) RGB.
        quality: 1..95.
    """
    if image.shape[1] < NARROWEST or not _codec_is_known():
        return codec_round_trip(image, quality)
    return round_trip(image, quality)


@cache
def _codec_is_known() -> bool:
    """Whether Pillow's codec leaves the pixels that ours computes, of a few small images at three qualities."""
    ramp = np.arange(37 * 53 * 3).reshape(37, 53, 3)
    images = [
        np.random.default_rng(0).integers(0, 256, ramp.shape, np.uint8),
        (ramp * ramp // 997 % 256).astype(np.uint8),
    ]
    equal = all(
        np.array_equal(round_trip(image, quality), _by_pillow(image, quality))
        for image in images
        for quality in (7, 25, 85, 100)
    )
    if not equal:
        logger.warning(
            "Pillow's JPEG codec on this machine leaves other pixels than libjpeg-turbo's on x86-64; "
            "it is used as it is, which is several times as slow"
        )
    return equal


def _by_pillow(image: Pixels, quality: int) -> Pixels:
    """``codec_round_trip`` in plain words, which need no compiling."""
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


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


def codec_round_trip(image: Pixels, quality: int) -> Pixels:
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
