"""What writes a corrupted set."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stormbench.datasets.corrupted import Pixels

Cell = tuple[str, int]


class Writer(Protocol):
    """Puts corrupted images where a layout wants them.

    Workers write and settle; the process that leads them prepares and finishes. Doing any of it again gives the same
    bytes again, so that work which was interrupted can simply be repeated.
    """

    def targets(self, cells: Sequence[Cell]) -> list[Path]:
        """What these cells will be kept in; it must not be there when a new set is begun."""

    def prepare(self) -> None:
        """Before any worker writes, also when an interrupted run continues."""

    def write(self, position: int, cell: Cell, pixels: Pixels) -> str:
        """Stores one image.

        Args:
            position: of the image in the set that is written.
            cell: corruption and severity.
            pixels: before any encoding, ``(H, W, 3)``.

        Returns:
            The digest of the file that was written, or an empty text where a file holds many images.

        Raises:
            DataError: the layout cannot hold this image.
        """

    def settle(self) -> None:
        """After each shard."""

    def finish(self, cells: Sequence[Cell], digests: Iterable[tuple[int, NDArray[np.bytes_]]]) -> None:
        """After the last shard: gives files their final names and lists their checksums.

        Args:
            cells: what was written.
            digests: for each shard, in order, its first position and what ``write`` returned, ``(cells, images)``.
        """


def checksum_list(root: Path, about: str) -> Path:
    """The list of checksums of some files of a set, in the form that ``b2sum -c`` reads in the set's folder."""
    return root / "checksums" / f"{about}.txt"
