"""WebDataset's layout: tar files of a bounded number of images, ``<corruption>/<severity>/<number>.tar``."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Cell, Pixels
from stormbench.datasets.on_disk.layouts import IMAGES_A_TAR, cell_list, cell_of, image_extension, tar_name
from stormbench.datasets.on_disk.manifest import Entry, entry_of, write_lists
from stormbench.datasets.on_disk.writer import Origin, encoded
from stormbench.errors import MissingDependencyError
from stormbench.files import new_whole, refuse_outside_once


@dataclass(frozen=True)
class TarWriter:
    """For each image its file (``.jpg``; ``.png`` in a lossless suite), class (``.cls``) and facts (``.json``).

    Attributes:
        root: where the set goes.
        keys: of the images.
        labels: each image's class, ``(N,)``.
        quality: of the suite's JPEG codec; None where it is lossless.
    """

    root: Path
    keys: Sequence[str] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    quality: int | None

    @property
    def images_a_shard(self) -> int:
        """As many as a tar file holds."""
        return IMAGES_A_TAR

    def targets(self, cells: Sequence[Cell]) -> list[Path]:
        """The cells' folders."""
        return [self.root / corruption / str(severity) for corruption, severity in cells]

    def prepare(self) -> None:
        """Tells a user who lacks the library before any work is done."""
        _library()

    @contextmanager
    def batch(self, start: int, cells: Sequence[Cell]) -> Iterator["TarBatch"]:
        """One tar file for each cell; they get their names on leaving."""
        paths = {cell: f"{cell[0]}/{cell[1]}/{tar_name(start)}" for cell in cells}
        for path in paths.values():
            refuse_outside_once(self.root, (self.root / path).parent)
        with ExitStack() as stack:
            files = {cell: stack.enter_context(new_whole(self.root / path)) for cell, path in paths.items()}
            # Nothing about who or when: the bytes depend on the images alone.
            how = {"encoder": False, "mtime": 0, "user": "", "group": ""}
            tars = {cell: stack.enter_context(_library().TarWriter(file, **how)) for cell, file in files.items()}
            yield TarBatch(self, paths, tars)

    def finish(self, cells: Sequence[Cell]) -> None:
        """Nothing: every file has its own name from the start."""

    def list_files(self, cells: Sequence[Cell], parts: Iterable[Sequence[bytes]]) -> None:
        """Writes one list a cell."""
        write_lists(self.root, self.lists(cells), parts)

    def lists(self, cells: Sequence[Cell]) -> list[str]:
        """One for each cell."""
        return [cell_list(cell) for cell in cells]

    def origin(self, path: str) -> Origin:
        """Some images in one cell."""
        cell, name = cell_of(path)
        start = int(name[:-4]) * IMAGES_A_TAR if name[:-4].isdecimal() else len(self.keys)
        if start >= len(self.keys) or tar_name(start) != name:
            raise KeyError(path)
        return Origin(start, min(start + IMAGES_A_TAR, len(self.keys)), (cell,))


@dataclass(frozen=True)
class TarBatch:
    """Images that become one tar file a cell."""

    writer: TarWriter
    paths: Mapping[Cell, str]
    tars: Mapping[Cell, Any]

    def write(self, position: int, cell: Cell, pixels: Pixels) -> None:
        """Adds one sample."""
        extension = image_extension(self.writer.quality)
        about = {"key": self.writer.keys[position], "corruption": cell[0], "severity": cell[1]}
        self.tars[cell].write(
            {
                "__key__": f"{position:09d}",
                extension: encoded(f".{extension}", pixels, self.writer.quality),
                "cls": str(self.writer.labels[position]).encode(),
                "json": json.dumps(about).encode(),
            }
        )

    def entries(self) -> Mapping[Cell, Sequence[Entry]]:
        """One tar file a cell."""
        return {cell: [entry_of(self.writer.root, path)] for cell, path in self.paths.items()}


def _library() -> Any:
    try:
        import webdataset
    except ImportError:
        raise MissingDependencyError("--format webdataset needs: pip install 'stormbench[webdataset]'") from None
    return webdataset
