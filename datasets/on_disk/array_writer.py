"""Layouts of arrays, CIFAR-10-C's and CIFAR-10-P's: an array a corruption or perturbation, and ``labels.npy``."""

import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Cell, Pixels
from stormbench.datasets.on_disk.layouts import LABELS, sequence_name
from stormbench.datasets.on_disk.manifest import Entry, entry_of, lines, write_lists
from stormbench.datasets.on_disk.writer import Origin, through_codec
from stormbench.errors import DataError
from stormbench.execution.timing import spent_on
from stormbench.files import atomic_write, new_whole, open_in_place


@dataclass(frozen=True)
class ArrayWriter:
    """Arrays whose rows are images or sequences, uint8, one block of rows for each cell.

    The arrays fill up under temporary names and get their own when all rows are there.

    Attributes:
        root: where the set goes.
        blocks: for each cell the array that it is in, and the number of its block there.
        shapes: of every row of an array, by the array's name.
        labels: each image's class, ``(N,)``; written once for each block, as uint8 where that suffices.
        quality: of the suite's JPEG codec; None where it is lossless. Rows are what the codec leaves.
        images_a_shard: how many images are made at once.
    """

    root: Path
    blocks: Mapping[Cell, tuple[str, int]]
    shapes: Mapping[str, tuple[int, ...]]
    labels: NDArray[np.int64] = field(repr=False)
    quality: int | None = None
    images_a_shard: int = 32

    def targets(self, cells: Sequence[Cell]) -> list[Path]:
        """The arrays."""
        return [self._final(name) for name in self._names(cells)]

    def prepare(self) -> None:
        """Lays out the files that are not there yet, at their full size."""
        self.root.mkdir(parents=True, exist_ok=True)
        for name in self.shapes:
            growing = self._growing(name)
            if not growing.exists() and not self._final(name).exists():
                with new_whole(growing) as file:
                    file.write(self._headers[name])
                    file.truncate(file.tell() + self._blocks * len(self.labels) * self._row_bytes(name))

    @contextmanager
    def batch(self, start: int, cells: Sequence[Cell]) -> Iterator["RowBatch"]:  # noqa: ARG002
        """Rows are written one by one; leaving waits until the disk has them."""
        yield RowBatch(self)
        for name in self._names(cells):
            with open_in_place(self._growing(name)) as file:
                os.fsync(file.fileno())

    def write_row(self, position: int, cell: Cell, pixels: Pixels) -> None:
        """Writes one row."""
        name, block = self.blocks[cell]
        if pixels.shape != self.shapes[name]:
            raise DataError(
                f"image {position} is {pixels.shape}, the first one {self.shapes[name]}; arrays need one size"
            )
        row = block * len(self.labels) + position
        with spent_on("encode"), open_in_place(self._growing(name)) as file:
            file.seek(len(self._headers[name]) + row * self._row_bytes(name))
            file.write(through_codec(pixels, self.quality).tobytes())

    def finish(self, cells: Sequence[Cell]) -> None:
        """Renames the arrays and writes the labels."""
        for name in self._names(cells):
            if self._growing(name).exists():
                self._growing(name).replace(self._final(name))
        kind = np.uint8 if self.labels.max() < 256 else np.int64
        atomic_write(self.root / LABELS, _npy(np.tile(self.labels.astype(kind), self._blocks)))

    def list_files(self, cells: Sequence[Cell], parts: Iterable[Sequence[bytes]]) -> None:  # noqa: ARG002
        """One list a file; batches have no files of their own."""
        for name in self.lists(cells):
            write_lists(self.root, [name], [[lines([entry_of(self.root, f"{name}.npy")])]])

    def lists(self, cells: Sequence[Cell]) -> list[str]:
        """One for each array, and one for the labels."""
        return [*self._names(cells), Path(LABELS).stem]

    def origin(self, path: str) -> Origin:
        """All images in all cells of one array."""
        if path == LABELS:
            return Origin(0, 0)
        cells = tuple(cell for cell, (name, _) in self.blocks.items() if path == f"{name}.npy")
        if not cells:
            raise KeyError(path)
        return Origin(0, len(self.labels), cells)

    def _names(self, cells: Sequence[Cell]) -> list[str]:
        return list(dict.fromkeys(self.blocks[cell][0] for cell in cells))

    @property
    def _blocks(self) -> int:
        """How many every array has."""
        return 1 + max(block for _, block in self.blocks.values())

    def _row_bytes(self, name: str) -> int:
        return int(np.prod(self.shapes[name]))

    @cached_property
    def _headers(self) -> dict[str, bytes]:
        return {name: _header((self._blocks * len(self.labels), *shape)) for name, shape in self.shapes.items()}

    def _final(self, name: str) -> Path:
        return self.root / f"{name}.npy"

    def _growing(self, name: str) -> Path:
        """Where an array is until it is finished."""
        return self.root / f".{name}.part"


def corruption_arrays(
    root: Path,
    corruptions: Iterable[str],
    severities: Sequence[int],
    *,
    labels: NDArray[np.int64],
    shape: tuple[int, ...],
    quality: int | None,
) -> ArrayWriter:
    """``<corruption>.npy``, ``(severities * N, H, W, 3)``, severity by severity, as CIFAR-10-C.

    Args:
        root: where the set goes.
        corruptions: one file each.
        severities: in the order of the blocks.
        labels: of the images, ``(N,)``.
        shape: of every image, ``(H, W, 3)``.
        quality: of the suite's JPEG codec; None where it is lossless.
    """
    names = list(corruptions)
    blocks = {(name, severity): (name, block) for name in names for block, severity in enumerate(severities)}
    return ArrayWriter(root, blocks, dict.fromkeys(names, shape), labels, quality)


def sequence_arrays(
    root: Path, cells: Sequence[Cell], *, labels: NDArray[np.int64], frames: Mapping[str, int], side: int
) -> ArrayWriter:
    """``<perturbation>.npy``, ``(N, frames, side, side, 3)``, as CIFAR-10-P.

    Args:
        root: where the set goes.
        cells: perturbations and levels, one file each.
        labels: of the images, ``(N,)``.
        frames: of each perturbation's sequences.
        side: of a frame.
    """
    blocks = {cell: (sequence_name(cell), 0) for cell in cells}
    shapes = {sequence_name(cell): (frames[cell[0]], side, side, 3) for cell in cells}
    return ArrayWriter(root, blocks, shapes, labels, images_a_shard=8)


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


def _header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()
