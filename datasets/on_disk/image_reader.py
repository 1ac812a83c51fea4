"""Corrupted sets read back from disk: those that ``generate`` wrote, and the published ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stormbench.cells import SEVERITIES, Cell, Pixels
from stormbench.datasets.geometry import Geometry
from stormbench.datasets.images import ImageSet, read_image
from stormbench.datasets.on_disk.agreement import refuse_changed, refuse_other_arrays
from stormbench.datasets.on_disk.layouts import image_extension, member_name, places, tar_name
from stormbench.datasets.on_disk.manifest import Manifest, read_manifest
from stormbench.datasets.on_disk.tar_reader import read_tarred_image
from stormbench.datasets.on_the_fly import clean_pixels
from stormbench.datasets.readers.arrays import NpyFile, StoredImages
from stormbench.errors import DataError

_NAMED_AT_MOST = 5


@dataclass(frozen=True)
class ReleasedFolders:
    """``<corruption>/<severity>/<class>/<file>``, as ImageNet-C.

    Attributes:
        root: the folder with the corruptions.
        geometry: how clean images, which come from the source, are prepared.
        places: the path below its cell's folder of each image, by key.
    """

    root: Path
    geometry: Geometry | None
    places: Mapping[str, str] = field(repr=False)

    def clean(self, image: Image.Image) -> Pixels:
        """A source image as the benchmark sees it."""
        return clean_pixels(image, self.geometry)

    def corrupted(self, clean: Pixels, corruption: str, severity: int, key: str) -> Pixels:
        """Reads the file of an image in a cell.

        Raises:
            BrokenImageError: it is missing or cannot be decoded.
            DataError: it has not the size of the clean image.
        """
        path = self.root / corruption / str(severity) / self.places[key]
        return _same_size(np.asarray(read_image(path)), clean, path)

    def missing(self, cells: Sequence[Cell]) -> list[Path]:
        """The cells' folders that are not there, or else the files that are not in the first of them."""
        folders = [self.root / corruption / str(severity) for corruption, severity in cells]
        files = (folder / place for folder in folders[:1] for place in self.places.values())
        return [path for path in folders if not path.is_dir()] or [path for path in files if not path.exists()]


@dataclass(frozen=True)
class ReleasedArrays:
    """``<corruption>.npy`` with the severities one after the other, as CIFAR-10-C.

    Attributes:
        root: the folder with the arrays.
        geometry: how clean images, which come from the source, are prepared.
        rows: the row of each image within a block, by key; None where keys are row numbers.
        severities: of the blocks.
    """

    root: Path
    geometry: Geometry | None
    rows: Mapping[str, int] | None = field(repr=False)
    severities: Sequence[int]
    stored: dict[str, StoredImages] = field(default_factory=dict, repr=False)

    def clean(self, image: Image.Image) -> Pixels:
        """A source image as the benchmark sees it."""
        return clean_pixels(image, self.geometry)

    def corrupted(self, clean: Pixels, corruption: str, severity: int, key: str) -> Pixels:
        """The row of an image in a cell.

        Raises:
            DataError: there is no such array or row, or it has not the size of the clean image.
        """
        path = self._path(corruption)
        array = self.stored.setdefault(corruption, NpyFile(path)).array
        block = len(array) // len(self.severities)
        row = int(key) if self.rows is None else self.rows[key]
        if row >= block:
            raise DataError(f"{path} has {block} images for each severity, none for image {key}")
        return _same_size(np.array(array[self.severities.index(severity) * block + row]), clean, path)

    def missing(self, cells: Sequence[Cell]) -> list[Path]:
        """The arrays that are not there."""
        return [path for path in map(self._path, dict(cells)) if not path.is_file()]

    def _path(self, corruption: str) -> Path:
        return self.root / f"{corruption}.npy"


@dataclass(frozen=True)
class ReleasedTars:
    """``<corruption>/<severity>/<number>.tar``, as WebDataset.

    Tars are never unpacked: the bytes of one regular file of one expected name are read where they lie, so that nothing
    a tar says can lead out of its folder.

    Attributes:
        root: the folder with the corruptions.
        geometry: how clean images, which come from the source, are prepared.
        positions: of each image in the set, by key.
        extension: of the image files.
    """

    root: Path
    geometry: Geometry | None
    positions: Mapping[str, int] = field(repr=False)
    extension: str

    def clean(self, image: Image.Image) -> Pixels:
        """A source image as the benchmark sees it."""
        return clean_pixels(image, self.geometry)

    def corrupted(self, clean: Pixels, corruption: str, severity: int, key: str) -> Pixels:
        """Reads the file of an image in a cell.

        Raises:
            BrokenImageError: its tar is missing or damaged, or has no such image that can be decoded.
            DataError: it has not the size of the clean image.
        """
        position = self.positions[key]
        path = self.root / corruption / str(severity) / tar_name(position)
        pixels = np.asarray(read_tarred_image(path, member_name(position, self.extension)))
        return _same_size(pixels, clean, path)

    def missing(self, cells: Sequence[Cell]) -> list[Path]:
        """The tars that are not there."""
        names = sorted({tar_name(position) for position in self.positions.values()})
        paths = [self.root / corruption / str(severity) / name for corruption, severity in cells for name in names]
        return [path for path in paths if not path.is_file()]


Released = ReleasedFolders | ReleasedArrays | ReleasedTars


def open_released(
    root: Path, images: ImageSet, geometry: Geometry | None, cells: Sequence[Cell]
) -> tuple[Released, Manifest | None]:
    """Opens a corrupted set as the cells of a data set.

    Images are found by their keys, so that the set may hold more images than are asked for.

    Args:
        root: folder of the set.
        images: the clean images it was made of.
        geometry: how the clean images are prepared.
        cells: what will be read.

    Returns:
        The set, and its manifest if it has one.

    Raises:
        DataError: it is no corrupted set, it lacks cells, or it was not made of these images.
    """
    manifest = read_manifest(root)
    released = _opened(root, images, geometry, manifest)
    if missing := released.missing(cells):
        named = ", ".join(str(path.relative_to(root)) for path in missing[:_NAMED_AT_MOST])
        more = ", ..." if len(missing) > _NAMED_AT_MOST else ""
        raise DataError(f"the corrupted set {root} lacks {named}{more}; choose other cells or images, or generate them")
    if isinstance(released, ReleasedArrays):
        names = list(dict(cells))
        refuse_other_arrays(root, images, released.rows, names, len(released.severities))
        refuse_changed(root, manifest, names)
    return released, manifest


def _opened(root: Path, images: ImageSet, geometry: Geometry | None, manifest: Manifest | None) -> Released:
    layout = manifest.layout if manifest else "arrays" if any(root.glob("*.npy")) else "folders"
    if layout == "arrays":
        return ReleasedArrays(root, geometry, rows_of(root, images, manifest), _severities(manifest))
    if layout == "webdataset":
        extension = image_extension(manifest.jpeg_quality if manifest else None)
        return ReleasedTars(root, geometry, rows_of(root, images, manifest) or {}, extension)
    suffix = ".png" if layout == "png" else None
    return ReleasedFolders(root, geometry, dict(zip(images.keys, places(images, suffix), strict=True)))


def _severities(manifest: Manifest | None) -> Sequence[int]:
    return SEVERITIES if manifest is None or manifest.severities is None else manifest.severities


def rows_of(root: Path, images: ImageSet, manifest: Manifest | None) -> Mapping[str, int] | None:
    """The row of each image in the arrays of a set, by key; None where keys are row numbers, as in published sets.

    Raises:
        DataError: the set has not all of the images, or nothing says which row is whose.
    """
    if manifest is None or manifest.keys is None:
        if not all(key.isdecimal() for key in images.keys):
            raise DataError(f"{root} numbers its images, those of {images.name} have names; use the original arrays")
        return None
    rows = {key: row for row, key in enumerate(manifest.keys)}
    if absent := [key for key in images.keys if key not in rows]:
        raise DataError(f"{root} lacks {len(absent)} of the {len(images)} images, such as {absent[0]}")
    return rows


def _same_size(pixels: NDArray[np.uint8], clean: Pixels, path: Path) -> Pixels:
    if pixels.shape != clean.shape:
        raise DataError(f"{path} holds {pixels.shape} pixels, the clean image {clean.shape}; is this the right suite?")
    return pixels
