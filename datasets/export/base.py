"""What writes a set of corrupted images or of sequences."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from stormbench.datasets.corrupted import Pixels
from stormbench.datasets.manifest import Entry, Layout

Cell = tuple[str, int]


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


def cell_list(cell: Cell) -> str:
    """The name of the list of a cell's files, where each cell has files of its own."""
    return f"{cell[0]}-{cell[1]}"


def sequence_name(cell: Cell) -> str:
    """What a perturbation is called on disk: ``_2`` and ``_3`` mark the higher levels."""
    return cell[0] if cell[1] == 1 else f"{cell[0]}_{cell[1]}"


def severity_folder(cell: Cell) -> str:
    """Where the files of a corruption at a severity lie."""
    return f"{cell[0]}/{cell[1]}"


FOLDERS: Mapping[Layout, Callable[[Cell], str]] = {
    "folders": severity_folder,
    "png": severity_folder,
    "webdataset": severity_folder,
    "films": sequence_name,
}
"""The folder that a cell's files have for themselves; layouts that are not here keep cells in arrays."""


def cell_of(path: str) -> tuple[Cell, str]:
    """The cell that a file in ``<corruption>/<severity>/`` belongs to, and its path in there.

    Raises:
        KeyError: the path has no such form.
    """
    corruption, _, rest = path.partition("/")
    severity, _, place = rest.partition("/")
    if not (place and severity.isdecimal()):
        raise KeyError(path)
    return (corruption, int(severity)), place


def sequence_of(path: str) -> tuple[Cell, str]:
    """Likewise of a file in ``<perturbation>/`` or, at a higher level, ``<perturbation>_<level>/``.

    Raises:
        KeyError: the path has no such form.
    """
    folder, _, place = path.partition("/")
    name, _, level = folder.rpartition("_")
    if not place:
        raise KeyError(path)
    return ((name, int(level)) if level.isdecimal() else (folder, 1)), place
