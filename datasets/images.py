"""What every labelled image set can do, and how one image file is decoded."""

import warnings
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from stormbench.errors import BrokenImageError
from stormbench.files import read_regular

# Deeper modes than 8 bits a channel, which a conversion to RGB would clip to white without a word.
_DEEP = ("I", "F")
# What torchvision's list of endings stands for. Pillow knows more, of which EPS starts Ghostscript.
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")
MAXIMAL_BYTES = 2**29
"""Of an image file: as many pixels as Pillow decodes, uncompressed, take less."""
MAXIMAL_SIDE = 65_535
"""Of an image: the longest of a JPEG. A line of 80 million pixels takes gigabytes to decode."""


class ImageSet(Protocol):
    """Labelled images, read one at a time.

    A set is light to pickle: worker processes get a copy and open files and arrays themselves, at first use.
    """

    @property
    def name(self) -> str:
        """A short name, for results and file names."""

    @property
    def keys(self) -> Sequence[str]:
        """The stable identity of each image: its relative path with forward slashes, or its index as text."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """Each image's index into ``classes``, shape ``(n,)``."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the labels; for ImageNet trees the synset ids."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> Image.Image:
        """One image, decoded, mode RGB.

        Raises:
            BrokenImageError: it cannot be decoded; the message names the file.
        """

    def digest(self, index: int) -> str:
        """BLAKE2b (16 bytes, hexadecimal) of the stored bytes of one image: the file's, or the array row's."""

    def subset(self, indices: Iterable[int]) -> Self:
        """Only these images, in this order, under the keys and classes they have here."""


def digest_of(content: bytes) -> str:
    """The digest that ``ImageSet.digest`` gives for these bytes."""
    return blake2b(content, digest_size=16).hexdigest()


def read_image(path: Path) -> Image.Image:
    """Decodes an image file to RGB, as torchvision's loader does: EXIF orientation is ignored, transparency dropped.

    Raises:
        BrokenImageError: the file is missing, unreadable, not regular, empty, truncated, no JPEG, PNG, PPM, BMP, TIFF
            or WebP image, has more than 8 bits a channel, more pixels than Pillow's ``MAX_IMAGE_PIXELS``, or a side
            of more than ``MAXIMAL_SIDE``.
    """
    try:
        return decode_image(read_regular(path, MAXIMAL_BYTES))
    except OSError as error:
        raise BrokenImageError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BrokenImageError(f"{path} cannot be decoded: {error}") from None


def decode_image(content: bytes) -> Image.Image:
    """Decodes the bytes of an image file to RGB.

    Raises:
        ValueError: they are no image that can be decoded; the message says why.
    """
    if not content:
        raise ValueError("it is empty")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(BytesIO(content), formats=_FORMATS) as image:
                if max(image.size) > MAXIMAL_SIDE:
                    raise ValueError(f"it has {image.width} x {image.height} pixels; a side is at most {MAXIMAL_SIDE}")
                if image.mode.startswith(_DEEP):
                    raise ValueError(f"it has mode {image.mode}; convert it to 8 bits a channel")
                return image.convert("RGB")
        except Exception as error:  # decoders raise whatever they stumble over: SyntaxError, struct.error, ...
            raise ValueError(_reason(error)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"it is no image of a known format ({', '.join(_FORMATS)})"
    return " ".join(str(error).split()) or type(error).__name__
