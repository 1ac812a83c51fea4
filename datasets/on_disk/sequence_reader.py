"""Sequences read back from disk: those that ``generate`` wrote, and the published ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stormbench.cells import Cell, Pixels
from stormbench.corruptions import SCALES
from stormbench.corruptions.perturbations.video import decode
from stormbench.datasets.images import ImageSet
from stormbench.datasets.on_disk.agreement import refuse_changed, refuse_other_arrays
from stormbench.datasets.on_disk.image_reader import rows_of
from stormbench.datasets.on_disk.layouts import film_places, sequence_name
from stormbench.datasets.on_disk.manifest import Manifest, read_manifest
from stormbench.datasets.on_the_fly import SequencePixels, frame_count
from stormbench.datasets.readers.arrays import NpyFile, StoredImages
from stormbench.errors import DataError

_NAMED_AT_MOST = 5


_NOTHING: Pixels = np.empty((0, 0, 3), np.uint8)


@dataclass(frozen=True)
class ReleasedFilms:
    """``<perturbation>/<class>/<name>.mp4``, as ImageNet-P.

    Attributes:
        root: the folder with the perturbations.
        scale: which frames to expect.
        places: the path below its cell's folder of each film, by key.
    """

    root: Path
    scale: str
    places: Mapping[str, str] = field(repr=False)

    def source(self, images: ImageSet, index: int) -> Pixels:  # noqa: ARG002
        """Nothing: frames are read."""
        return _NOTHING

    def frames(self, source: Pixels, perturbation: str, level: int, key: str) -> Iterator[Pixels]:  # noqa: ARG002
        """Decodes a film.

        Raises:
            DataError: it is missing, truncated, or has not the number or the size of frames of its scale.
        """
        path = self.root / sequence_name((perturbation, level)) / self.places[key]
        yield from _checked(decode(path, frames=frame_count(perturbation, self.scale)), self.scale, path)

    def missing(self, cells: Sequence[Cell]) -> list[Path]:
        """The cells' folders that are not there."""
        return [folder for cell in cells if not (folder := self.root / sequence_name(cell)).is_dir()]


@dataclass(frozen=True)
class ReleasedSequenceArrays:
    """``<perturbation>.npy``, uint8 ``(N, frames, S, S, 3)``, as CIFAR-10-P.

    Attributes:
        root: the folder with the arrays.
        scale: which frames to expect.
        rows: the row of each image, by key; None where keys are row numbers.
    """

    root: Path
    scale: str
    rows: Mapping[str, int] | None = field(repr=False)
    stored: dict[str, StoredImages] = field(default_factory=dict, repr=False)

    def source(self, images: ImageSet, index: int) -> Pixels:  # noqa: ARG002
        """Nothing: frames are read."""
        return _NOTHING

    def frames(self, source: Pixels, perturbation: str, level: int, key: str) -> Iterator[Pixels]:  # noqa: ARG002
        """The row of an image.

        Raises:
            DataError: the array cannot be read, has no such row, or has not the number or the size of frames.
        """
        path = self._path((perturbation, level))
        array = self.stored.setdefault(path.name, NpyFile(path)).array
        wanted = frame_count(perturbation, self.scale)
        if array.ndim != 5 or array.shape[1] != wanted or array.dtype != np.uint8:
            raise DataError(
                f"{path} has shape {array.shape} and type {array.dtype}; want uint8 (images, {wanted}, S, S, 3)"
            )
        row = int(key) if self.rows is None else self.rows[key]
        if row >= len(array):
            raise DataError(f"{path} has {len(array)} sequences, none for image {key}")
        yield from _checked(np.array(array[row]), self.scale, path)

    def missing(self, cells: Sequence[Cell]) -> list[Path]:
        """The arrays that are not there."""
        return [path for path in map(self._path, cells) if not path.is_file()]

    def _path(self, cell: Cell) -> Path:
        return self.root / f"{sequence_name(cell)}.npy"


def open_released_sequences(
    root: Path, images: ImageSet, scale: str, cells: Sequence[Cell]
) -> tuple[SequencePixels, Manifest | None]:
    """Opens a set of sequences as the cells of a data set.

    Films are found by class and name, rows of arrays by the manifest; where there is none, as in published sets, they
    are the images' own numbers.

    Args:
        root: folder of the set.
        images: the images it was made of.
        scale: which frames to expect.
        cells: what will be read.

    Returns:
        The set, and its manifest if it has one.

    Raises:
        DataError: it is no set of sequences, or it lacks cells.
    """
    manifest = read_manifest(root)
    arrays = manifest.layout == "sequences" if manifest else any(root.glob("*.npy"))
    released: ReleasedFilms | ReleasedSequenceArrays = (
        ReleasedSequenceArrays(root, scale, rows_of(root, images, manifest))
        if arrays
        else ReleasedFilms(root, scale, dict(zip(images.keys, film_places(images), strict=True)))
    )
    if missing := released.missing(cells):
        named = ", ".join(path.name for path in missing[:_NAMED_AT_MOST])
        more = ", ..." if len(missing) > _NAMED_AT_MOST else ""
        raise DataError(f"the sequences in {root} lack {named}{more}; choose other cells or generate them")
    if isinstance(released, ReleasedSequenceArrays):
        names = [sequence_name(cell) for cell in cells]
        refuse_other_arrays(root, images, released.rows, names, blocks=1)
        refuse_changed(root, manifest, names)
    return released, manifest


def _checked(frames: Pixels, scale: str, path: Path) -> Pixels:
    side = SCALES[scale]
    if frames.shape[1:] != (side, side, 3):
        raise DataError(f"the frames of {path} have shape {frames.shape[1:]}, wanted ({side}, {side}, 3)")
    return frames
