"""CIFAR-10-C's layout: ``<corruption>.npy`` with the severities one after the other, and ``labels.npy``."""

import hashlib
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stormbench.datasets.corrupted import Pixels
from stormbench.datasets.export.base import Cell, checksum_list
from stormbench.errors import DataError
from stormbench.files import write_whole

LABELS = "labels.npy"


@dataclass(frozen=True)
class ArrayWriter:
    """One array for each corruption, uint8 ``(severities * N, H, W, 3)``, severity by severity; lossless.

    The arrays fill up under temporary names and get their own when all rows are there.

    Attributes:
        root: where the set goes.
        corruptions: one file each.
        severities: in the order of the blocks.
        labels: each image's class, ``(N,)``; written once for each block, as uint8 where that suffices.
        shape: of every image, ``(H, W, 3)``.
    """

    root: Path
    corruptions: Sequence[str]
    severities: Sequence[int]
    labels: NDArray[np.int64] = field(repr=False)
    shape: tuple[int, ...]

    def targets(self, cells: Sequence[Cell]) -> list[Path]:
        """The arrays."""
        return [self._final(corruption) for corruption in dict(cells)]

    def prepare(self) -> None:
        """Lays out the files that are not there yet, at their full size."""
        self.root.mkdir(parents=True, exist_ok=True)
        header = self._header()
        for corruption in self.corruptions:
            growing = self._growing(corruption)
            if not growing.exists() and not self._final(corruption).exists():
                new = growing.with_suffix(".new")
                new.write_bytes(header)
                os.truncate(new, len(header) + self._rows * self._row_bytes)
                new.replace(growing)

    def write(self, position: int, cell: Cell, pixels: Pixels) -> str:
        """Writes one row."""
        if pixels.shape != self.shape:
            raise DataError(f"image {position} is {pixels.shape}, the first one {self.shape}; arrays need one size")
        corruption, severity = cell
        row = self.severities.index(severity) * len(self.labels) + position
        with self._growing(corruption).open("r+b") as file:
            file.seek(len(self._header()) + row * self._row_bytes)
            file.write(pixels.tobytes())
        return ""

    def settle(self) -> None:
        """Waits until the disk has the rows."""
        for corruption in self.corruptions:
            with self._growing(corruption).open("r+b") as file:
                os.fsync(file.fileno())

    def finish(self, cells: Sequence[Cell], digests: Iterable[tuple[int, NDArray[np.bytes_]]]) -> None:  # noqa: ARG002
        """Renames the arrays, writes the labels and lists the checksums, one list a file."""
        for corruption in self.corruptions:
            if self._growing(corruption).exists():
                self._growing(corruption).replace(self._final(corruption))
        kind = np.uint8 if self.labels.max() < 256 else np.int64
        write_whole(self.root / LABELS, _npy(np.tile(self.labels.astype(kind), len(self.severities))))
        for path in (*map(self._final, self.corruptions), self.root / LABELS):
            write_whole(checksum_list(self.root, path.stem), f"{_digest(path)}  {path.name}\n".encode())

    @property
    def _rows(self) -> int:
        return len(self.severities) * len(self.labels)

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self.shape))

    def _header(self) -> bytes:
        buffer = io.BytesIO()
        about = {"descr": "|u1", "fortran_order": False, "shape": (self._rows, *self.shape)}
        np.lib.format.write_array_header_1_0(buffer, about)
        return buffer.getvalue()

    def _final(self, corruption: str) -> Path:
        return self.root / f"{corruption}.npy"

    def _growing(self, corruption: str) -> Path:
        return self.root / f".{corruption}.part"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _npy(array: NDArray[np.uint8 | np.int64]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
