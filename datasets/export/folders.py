"""ImageNet-C's layout: ``<corruption>/<severity>/<class>/<file>``."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from stormbench.datasets.corrupted import Pixels
from stormbench.datasets.export.base import Cell, Origin, cell_list, cell_of
from stormbench.datasets.export.encoding import encoded
from stormbench.datasets.images import ImageSet, digest_of
from stormbench.datasets.manifest import Entry, write_lists
from stormbench.errors import DataError
from stormbench.files import write_whole


def places(images: ImageSet, suffix: str | None = None) -> list[str]:
    """The path of each image below ``<corruption>/<severity>/``: its own in a tree, else ``<class>/<key>.JPEG``.

    Args:
        images: the data set.
        suffix: of all files, instead of their own.

    Raises:
        DataError: a class name of the data would lead out of the folder, or two images would get the same name.
    """
    found = [
        key if "/" in key else f"{images.classes[label]}/{key}.JPEG"
        for key, label in zip(images.keys, images.labels, strict=True)
    ]
    found = found if suffix is None else [f"{place.rpartition('.')[0]}{suffix}" for place in found]
    for place in found:
        if PurePosixPath(place).is_absolute() or ".." in PurePosixPath(place).parts:
            raise DataError(f"{images.name} would be written to {place!r}, out of its folder; rename its classes")
    if len(set(found)) < len(found):
        ((twice, _),) = Counter(found).most_common(1)
        raise DataError(f"several images of {images.name} would be written to {twice!r}; rename all but one")
    return found


@dataclass(frozen=True)
class FolderWriter:
    """One file for each image, under its own name.

    Attributes:
        root: where the set goes.
        places: the path of each image below its cell's folder; its suffix says what kind of file it is.
        quality: of the suite's JPEG codec; None where it is lossless.
    """

    root: Path
    places: Sequence[str] = field(repr=False)
    quality: int | None
    images_a_shard: int = 32

    def targets(self, cells: Sequence[Cell]) -> list[Path]:
        """The cells' folders."""
        return [self.root / corruption / str(severity) for corruption, severity in cells]

    def prepare(self) -> None:
        """Nothing: folders are made as files need them."""

    @contextmanager
    def batch(self, start: int, cells: Sequence[Cell]) -> Iterator["FileBatch"]:  # noqa: ARG002
        """Files are written one by one.

        Waiting for the disk once a file would take longer than making them; their digests are recorded.
        """
        yield FileBatch(self, {cell: [] for cell in cells})

    def finish(self, cells: Sequence[Cell]) -> None:
        """Nothing: every file has its own name from the start."""

    def list_files(self, cells: Sequence[Cell], parts: Iterable[Sequence[bytes]]) -> None:
        """Writes one list a cell."""
        write_lists(self.root, self.lists(cells), parts)

    def lists(self, cells: Sequence[Cell]) -> list[str]:
        """One for each cell."""
        return [cell_list(cell) for cell in cells]

    def origin(self, path: str) -> Origin:
        """One image in one cell."""
        cell, place = cell_of(path)
        position = self._positions[place]
        return Origin(position, position + 1, (cell,))

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {place: position for position, place in enumerate(self.places)}


@dataclass(frozen=True)
class FileBatch:
    """Images that become files of their own."""

    writer: FolderWriter
    written: dict[Cell, list[Entry]]

    def write(self, position: int, cell: Cell, pixels: Pixels) -> None:
        """Writes one file."""
        place = self.writer.places[position]
        path = f"{cell[0]}/{cell[1]}/{place}"
        content = encoded(PurePosixPath(place).suffix, pixels, self.writer.quality)
        write_whole(self.writer.root / path, content)
        self.written[cell].append(Entry(path, len(content), digest_of(content)))

    def entries(self) -> Mapping[Cell, Sequence[Entry]]:
        """What was written."""
        return self.written
