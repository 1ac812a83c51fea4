"""CIFAR-10-C's layout: ``<corruption>.npy`` with the severities one after the other, and ``labels.npy``."""

import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stormbench.datasets.corrupted import Pixels
from stormbench.datasets.export.base import Cell, Origin
from stormbench.datasets.export.encoding import through_codec
from stormbench.datasets.manifest import Entry, entry_of, lines, write_lists
from stormbench.errors import DataError
from stormbench.files import write_whole
from stormbench.timing import spent_on

LABELS = "labels.npy"


@dataclass(frozen=True)
class ArrayWriter:
    """One array for each corruption, uint8 ``(severities * N, H, W, 3)``, severity by severity.

    The arrays fill up under temporary names and get their own when all rows are there.

    Attributes:
        root: where the set goes.
        corruptions: one file each.
        severities: in the order of the blocks.
        labels: each image's class, ``(N,)``; written once for each block, as uint8 where that suffices.
        shape: of every image, ``(H, W, 3)``.
        quality: of the suite's JPEG codec; None where it is lossless. Rows are what the codec leaves.
    """

    root: Path
    corruptions: Sequence[str]
    severities: Sequence[int]
    labels: NDArray[np.int64] = field(repr=False)
    shape: tuple[int, ...]
    quality: int | None = None
    images_a_shard: int = 32

    def targets(self, cells: Sequence[Cell]) -> list[Path]:
        """The arrays."""
        return [self._final(corruption) for corruption in dict(cells)]

    def prepare(self) -> None:
        """Lays out the files that are not there yet, at their full size."""
        self.root.mkdir(parents=True, exist_ok=True)
        header = self._header()
        for corruption in self.corruptions:
            growing = self.growing(corruption)
            if not growing.exists() and not self._final(corruption).exists():
                new = growing.with_suffix(".new")
                new.write_bytes(header)
                os.truncate(new, len(header) + self._rows * self._row_bytes)
                new.replace(growing)

    @contextmanager
    def batch(self, start: int, cells: Sequence[Cell]) -> Iterator["RowBatch"]:  # noqa: ARG002
        """Rows are written one by one; leaving waits until the disk has them."""
        yield RowBatch(self)
        for corruption in dict(cells):
            with self.growing(corruption).open("r+b") as file:
                os.fsync(file.fileno())

    def write_row(self, position: int, cell: Cell, pixels: Pixels) -> None:
        """Writes one row."""
        if pixels.shape != self.shape:
            raise DataError(f"image {position} is {pixels.shape}, the first one {self.shape}; arrays need one size")
        corruption, severity = cell
        row = self.severities.index(severity) * len(self.labels) + position
        with spent_on("encode"), self.growing(corruption).open("r+b") as file:
            file.seek(len(self._header()) + row * self._row_bytes)
            file.write(through_codec(pixels, self.quality).tobytes())

    def finish(self, cells: Sequence[Cell]) -> None:
        """Renames the arrays and writes the labels."""
        for corruption in dict(cells):
            if self.growing(corruption).exists():
                self.growing(corruption).replace(self._final(corruption))
        kind = np.uint8 if self.labels.max() < 256 else np.int64
        write_whole(self.root / LABELS, _npy(np.tile(self.labels.astype(kind), len(self.severities))))

    def list_files(self, cells: Sequence[Cell], parts: Iterable[Sequence[bytes]]) -> None:  # noqa: ARG002
        """One list a file; batches have no files of their own."""
        for name in self.lists(cells):
            write_lists(self.root, [name], [[lines([entry_of(self.root, f"{name}.npy")])]])

    def lists(self, cells: Sequence[Cell]) -> list[str]:
        """One for each array, and one for the labels."""
        return [*dict(cells), Path(LABELS).stem]

    def origin(self, path: str) -> Origin:
        """All images at all severities of one corruption."""
        if path == LABELS:
            return Origin(0, 0)
        name = path.removesuffix(".npy")
        if name not in self.corruptions:
            raise KeyError(path)
        return Origin(0, len(self.labels), tuple((name, severity) for severity in self.severities))

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

    def growing(self, corruption: str) -> Path:
        """Where an array is until it is finished."""
        return self.root / f".{corruption}.part"


@dataclass(frozen=True)
class RowBatch:
    """Images that become rows of arrays."""

    writer: ArrayWriter

    def write(self, position: int, cell: Cell, pixels: Pixels) -> None:
        """Writes one row."""
        self.writer.write_row(position, cell, pixels)

    def entries(self) -> Mapping[Cell, Sequence[Entry]]:
        """None: rows are not files."""
        return {}


def _npy(array: NDArray[np.uint8 | np.int64]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
