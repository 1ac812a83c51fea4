"""ImageNet-C's layout: ``<corruption>/<severity>/<class>/<file>``."""

import io
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stormbench.datasets.corrupted import Pixels, jpeg_bytes, jpeg_round_trip
from stormbench.datasets.export.base import Cell, checksum_list
from stormbench.datasets.images import ImageSet, digest_of
from stormbench.errors import DataError
from stormbench.files import write_whole

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


def places(images: ImageSet) -> list[str]:
    """The path of each image below ``<corruption>/<severity>/``: its own in a tree, else ``<class>/<key>.JPEG``.

    Raises:
        DataError: a class name of the data would lead out of the folder.
    """
    found = [
        key if "/" in key else f"{images.classes[label]}/{key}.JPEG"
        for key, label in zip(images.keys, images.labels, strict=True)
    ]
    for place in found:
        if PurePosixPath(place).is_absolute() or ".." in PurePosixPath(place).parts:
            raise DataError(f"{images.name} would be written to {place!r}, out of its folder; rename its classes")
    return found


@dataclass(frozen=True)
class FolderWriter:
    """One file for each image, under its own name.

    Every image goes through the suite's JPEG codec. Files whose names say JPEG are written by it, byte for byte as
    Pillow does with ``optimize``; other kinds of files store, without loss, what the codec leaves.

    Attributes:
        root: where the set goes.
        places: the path of each image below its cell's folder.
        quality: of the JPEG codec.
    """

    root: Path
    places: Sequence[str] = field(repr=False)
    quality: int

    def targets(self, cells: Sequence[Cell]) -> list[Path]:
        """The cells' folders."""
        return [self.root / corruption / str(severity) for corruption, severity in cells]

    def prepare(self) -> None:
        """Nothing: folders are made as files need them."""

    def write(self, position: int, cell: Cell, pixels: Pixels) -> str:
        """Writes one file and returns its digest."""
        corruption, severity = cell
        path = self.root / corruption / str(severity) / self.places[position]
        content = self._encoded(path.suffix.lower(), pixels)
        write_whole(path, content)
        return digest_of(content)

    def _encoded(self, suffix: str, pixels: Pixels) -> bytes:
        if suffix in _JPEG:
            return jpeg_bytes(pixels, self.quality)
        buffer = io.BytesIO()
        Image.fromarray(jpeg_round_trip(pixels, self.quality)).save(buffer, **_LOSSLESS[suffix])
        return buffer.getvalue()

    def settle(self) -> None:
        """Nothing: waiting for the disk once a file would take longer than making them; their digests are recorded."""

    def finish(self, cells: Sequence[Cell], digests: Iterable[tuple[int, NDArray[np.bytes_]]]) -> None:
        """Lists the checksums, one list a cell, without ever holding them all."""
        lists = [checksum_list(self.root, f"{corruption}-{severity}") for corruption, severity in cells]
        growing = [path.with_name(f".{path.name}.tmp") for path in lists]
        growing[0].parent.mkdir(exist_ok=True)
        with ExitStack() as stack:
            files = [stack.enter_context(path.open("w", errors="surrogateescape")) for path in growing]
            for start, of_shard in digests:
                for file, (corruption, severity), row in zip(files, cells, of_shard, strict=True):
                    for position, digest in enumerate(row, start):
                        file.write(f"{digest.decode()}  {corruption}/{severity}/{self.places[position]}\n")
        for unfinished, path in zip(growing, lists, strict=True):
            unfinished.replace(path)
