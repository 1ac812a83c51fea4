"""From pixels to the bytes of an image file."""

import io
from typing import Any

from PIL import Image

from stormbench.corruptions.kernels.jpeg import codec_round_trip, jpeg_bytes
from stormbench.datasets.corrupted import Pixels
from stormbench.timing import spent_on

_JPEG = (".jpg", ".jpeg")
# How Pillow stores pixels in a file of this kind without changing them.
_LOSSLESS: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG"},
    ".bmp": {"format": "BMP"},
    ".ppm": {"format": "PPM"},
    ".pgm": {"format": "PPM"},
    ".tif": {"format": "TIFF"},
    ".tiff": {"format": "TIFF"},
    ".webp": {"format": "WEBP", "lossless": True},
}


def encoded(suffix: str, pixels: Pixels, quality: int | None) -> bytes:
    """The file of an image.

    Files whose names say JPEG are written by the suite's codec, byte for byte as Pillow does with ``optimize``; other
    kinds of files store, without loss, what the codec leaves.

    Args:
        suffix: of the file's name, which says what kind it is.
        pixels: before any encoding.
        quality: of the suite's JPEG codec; None where it is lossless.
    """
    with spent_on("encode"):
        if suffix.lower() in _JPEG and quality is not None:
            return jpeg_bytes(pixels, quality, optimize=True)
        buffer = io.BytesIO()
        Image.fromarray(through_codec(pixels, quality)).save(buffer, **_LOSSLESS[suffix.lower()])
        return buffer.getvalue()


def through_codec(pixels: Pixels, quality: int | None) -> Pixels:
    """What the suite's codec leaves of an image."""
    return pixels if quality is None else codec_round_trip(pixels, quality)
