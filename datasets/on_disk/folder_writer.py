"""Layouts with a file for each image in each cell: ImageNet-C's and ImageNet-P's."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from stormbench.cells import Cell, Pixels
from stormbench.corruptions.perturbations import PERTURBATIONS
from stormbench.corruptions.perturbations.video import encode
from stormbench.datasets.images import digest_of
from stormbench.datasets.on_disk.layouts import cell_list, cell_of, sequence_name, sequence_of, severity_folder
from stormbench.datasets.on_disk.manifest import Entry, write_lists
from stormbench.datasets.on_disk.writer import Origin, encoded
from stormbench.execution.timing import spent_on
from stormbench.files import atomic_write, refuse_outside_once


@dataclass(frozen=True)
class FileWriter(ABC):
    """One file for each image in each cell, under its own name.

    Attributes:
        root: where the set goes.
        places: the path of each image below its cell's folder; its suffix says what kind of file it is.
    """

    root: Path
    places: Sequence[str] = field(repr=False)
    images_a_shard: int = field(default=32, kw_only=True)

    @abstractmethod
    def folder(self, cell: Cell) -> str:
        """The folder that a cell has for itself."""

    @abstractmethod
    def cell_of(self, path: str) -> tuple[Cell, str]:
        """The cell that a file belongs to, and its path in the cell's folder."""

    @abstractmethod
    def encoded(self, cell: Cell, place: str, pixels: Pixels) -> bytes:
        """The content of a file."""

    def targets(self, cells: Sequence[Cell]) -> list[Path]:
        """The cells' folders."""
        return [self.root / self.folder(cell) for cell in cells]

    def prepare(self) -> None:  # noqa: B027
        """Nothing: folders are made as files need them."""

    @contextmanager
    def batch(self, start: int, cells: Sequence[Cell]) -> Iterator["FileBatch"]:  # noqa: ARG002
        """Files are written one by one.

        Waiting for the disk once a file would take longer than making them; their digests are recorded.
        """
        yield FileBatch(self, {cell: [] for cell in cells})

    def finish(self, cells: Sequence[Cell]) -> None:  # noqa: B027
        """Nothing: every file has its own name from the start."""

    def list_files(self, cells: Sequence[Cell], parts: Iterable[Sequence[bytes]]) -> None:
        """Writes one list a cell."""
        write_lists(self.root, self.lists(cells), parts)

    def lists(self, cells: Sequence[Cell]) -> list[str]:
        """One for each cell."""
        return [cell_list(cell) for cell in cells]

    def origin(self, path: str) -> Origin:
        """One image in one cell."""
        cell, place = self.cell_of(path)
        position = self._positions[place]
        return Origin(position, position + 1, (cell,))

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {place: position for position, place in enumerate(self.places)}


@dataclass(frozen=True)
class FolderWriter(FileWriter):
    """``<corruption>/<severity>/<class>/<file>``, as ImageNet-C.

    Attributes:
        quality: of the suite's JPEG codec; None where it is lossless.
    """

    quality: int | None

    def folder(self, cell: Cell) -> str:
        """``<corruption>/<severity>``."""
        return severity_folder(cell)

    def cell_of(self, path: str) -> tuple[Cell, str]:
        """Undoes ``folder``."""
        return cell_of(path)

    def encoded(self, cell: Cell, place: str, pixels: Pixels) -> bytes:  # noqa: ARG002
        """The file of an image."""
        return encoded(PurePosixPath(place).suffix, pixels, self.quality)


@dataclass(frozen=True)
class FilmWriter(FileWriter):
    """``<perturbation>/<class>/<name>.mp4``, as ImageNet-P: H.264 with the reference's settings, so lossy."""

    def folder(self, cell: Cell) -> str:
        """``<perturbation>``, with its level where that is not 1."""
        return sequence_name(cell)

    def cell_of(self, path: str) -> tuple[Cell, str]:
        """Undoes ``folder``."""
        return sequence_of(path)

    def encoded(self, cell: Cell, place: str, pixels: Pixels) -> bytes:  # noqa: ARG002
        """The film of a sequence."""
        with spent_on("encode"):
            return encode(pixels, noise=PERTURBATIONS[cell[0]].reference == "first")


@dataclass(frozen=True)
class FileBatch:
    """Images that become files of their own."""

    writer: FileWriter
    written: dict[Cell, list[Entry]]

    def write(self, position: int, cell: Cell, pixels: Pixels) -> None:
        """Writes one file."""
        place = self.writer.places[position]
        path = f"{self.writer.folder(cell)}/{place}"
        content = self.writer.encoded(cell, place, pixels)
        target = self.writer.root / path
        refuse_outside_once(self.writer.root, target.parent)
        atomic_write(target, content)
        self.written[cell].append(Entry(path, len(content), digest_of(content)))

    def entries(self) -> Mapping[Cell, Sequence[Entry]]:
        """What was written."""
        return self.written
