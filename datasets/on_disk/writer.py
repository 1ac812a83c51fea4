"""The interface of writers of corrupted sets, and the encoding of images."""

import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from stormbench.cells import Cell, Pixels
from stormbench.corruptions.kernels.jpeg import codec_round_trip, jpeg_bytes
from stormbench.datasets.on_disk.manifest import Entry
from stormbench.execution.timing import spent_on


@dataclass(frozen=True)
class Origin:
    """What has to be done to make a file again.

    Attributes:
        start: position of the first image that is in it.
        stop: of the first one after it that is not.
        cells: the cells that are in it; none where a file has no pixels.
    """

    start: int
    stop: int
    cells: tuple[Cell, ...] = field(default=())


class Batch(Protocol):
    """Some images on their way to the disk."""

    def write(self, position: int, cell: Cell, pixels: Pixels) -> None:
        """Stores one image, or its sequence.

        Args:
            position: of the image in the set that is written.
            cell: corruption and severity, or perturbation and level.
            pixels: before any encoding, ``(H, W, 3)`` or ``(frames, H, W, 3)``.

        Raises:
            DataError: the layout cannot hold this image.
        """

    def entries(self) -> Mapping[Cell, Sequence[Entry]]:
        """The files that hold these images and no others; asked for when the disk has them."""


class Writer(Protocol):
    """Puts corrupted images where a layout wants them.

    Workers write batches; the process that leads them prepares and finishes. Doing any of it again gives the same
    bytes again, so that work which was interrupted can simply be repeated.
    """

    @property
    def images_a_shard(self) -> int:
        """How many images a batch holds; the last one may be smaller."""

    def targets(self, cells: Sequence[Cell]) -> list[Path]:
        """What these cells will be kept in; it must not be there when a new set is begun."""

    def prepare(self) -> None:
        """Before any worker writes, also when an interrupted run continues."""

    def batch(self, start: int, cells: Sequence[Cell]) -> AbstractContextManager[Batch]:
        """Begins to write the images from a position on, in these cells; on leaving, all is on its way to the disk."""

    def finish(self, cells: Sequence[Cell]) -> None:
        """After the last batch: gives files their final names."""

    def list_files(self, cells: Sequence[Cell], parts: Iterable[Sequence[bytes]]) -> None:
        """Lists the files of a finished set.

        Args:
            cells: what was written.
            parts: for each batch, in order, the list's lines of each cell.
        """

    def lists(self, cells: Sequence[Cell]) -> list[str]:
        """The names of the lists that the files of these cells are in."""

    def origin(self, path: str) -> Origin:
        """What has to be done to make a file again.

        Raises:
            KeyError: this is no file of this set.
        """


"""The folder that a cell's files have for themselves; layouts that are not here keep cells in arrays."""


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
