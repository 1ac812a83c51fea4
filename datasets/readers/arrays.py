"""Images in arrays: ``.npy`` pairs, ``.npz`` files, and whatever else can be brought to that form."""

import math
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stormbench.cells import Pixels
from stormbench.datasets.images import digest_of
from stormbench.errors import DataError
from stormbench.files import open_regular

# Larger than any array of images; a mapped file takes no memory, a compressed one is bounded by what it unpacks to.
_MAXIMAL_FILE = 2**42
_MAXIMAL_UNPACKED = 2**35
_MAXIMAL_CLASSES = 2**16


class StoredImages(ABC):
    """An array of images that each process opens for itself, once, at first use; pickling leaves the array behind."""

    @cached_property
    def array(self) -> Pixels:
        """The images, ``(N, H, W, 3)`` or grey ``(N, H, W)`` or ``(N, H, W, 1)``, uint8."""
        return self.open()

    @abstractmethod
    def open(self) -> Pixels:
        """Opens the array; called once.

        Raises:
            DataError: it cannot be opened; the message names the file.
        """

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "array"}


@dataclass(frozen=True)
class ArrayImages:
    """Rows of an array of images.

    Attributes:
        name: short name.
        classes: class names in the order of the labels; the numbers themselves where the data have no names.
        rows: which rows of the array, shape ``(n,)``; their numbers, as text, are the keys.
        labels: each image's class, shape ``(n,)``.
        stored: the array.
    """

    name: str
    classes: tuple[str, ...]
    rows: NDArray[np.int64] = field(repr=False, compare=False)
    labels: NDArray[np.int64] = field(repr=False, compare=False)
    stored: StoredImages = field(repr=False)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The row numbers as text."""
        return tuple(map(str, self.rows))

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int) -> Image.Image:
        """One image, mode RGB."""
        pixels = np.asarray(self._row(index))
        return Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels).convert("RGB")

    def digest(self, index: int) -> str:
        """BLAKE2b of the row's bytes."""
        return digest_of(self._row(index).tobytes())

    def subset(self, indices: Iterable[int]) -> Self:
        """Only these images, in this order."""
        chosen = np.fromiter(indices, np.int64)
        return replace(self, rows=self.rows[chosen], labels=self.labels[chosen])

    def _row(self, index: int) -> Pixels:
        row: Pixels = self.stored.array[self.rows[index]]
        return row


def array_images(
    name: str, stored: StoredImages, labels: NDArray[Any], *, source: object, classes: Iterable[str] | None = None
) -> ArrayImages:
    """Checks an array of images against its labels.

    Args:
        name: short name of the set.
        stored: the images.
        labels: class indices, shape ``(n,)``, any integer type.
        source: what messages call the data.
        classes: class names; by default the numbers from 0 to the largest label.

    Raises:
        DataError: shapes, types or ranges are not as described; the message says which.
    """
    images = stored.array
    grey_or_rgb = images.ndim == 3 or (images.ndim == 4 and images.shape[-1] in (1, 3))
    if not grey_or_rgb or images.dtype != np.uint8:
        raise DataError(f"{source}: images are uint8 (N, H, W, 3) or (N, H, W), not {images.dtype} {images.shape}")
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise DataError(f"{source}: {len(images)} images need as many whole numbers, not {labels.dtype} {labels.shape}")
    if not images.size:
        raise DataError(f"{source} has no images, or they have no pixels: its shape is {images.shape}")
    if classes is None and labels.max() >= _MAXIMAL_CLASSES:
        raise DataError(f"{source}: the largest label is {labels.max()}, more than {_MAXIMAL_CLASSES} classes")
    names = tuple(map(str, range(int(labels.max()) + 1) if classes is None else classes))
    if labels.min() < 0 or labels.max() >= len(names):
        raise DataError(
            f"{source}: labels run from {labels.min()} to {labels.max()}, classes from 0 to {len(names) - 1}"
        )
    return ArrayImages(name, names, np.arange(len(images)), labels.astype(np.int64), stored)


@dataclass(frozen=True)
class HeldImages(StoredImages):
    """An array that is in memory already; every process gets a copy."""

    held: Pixels = field(repr=False, compare=False)

    def open(self) -> Pixels:
        """The array itself."""
        return self.held


def from_arrays(
    images: NDArray[Any], labels: NDArray[Any], *, name: str = "arrays", classes: Iterable[str] | None = None
) -> ArrayImages:
    """Makes an image set of arrays in memory.

    Args:
        images: uint8 ``(N, H, W, 3)``, or grey ``(N, H, W)``.
        labels: class indices, shape ``(N,)``, any integer type.
        name: short name, for results.
        classes: class names; by default the numbers from 0 to the largest label.

    Raises:
        DataError: shapes, types or ranges are not as described; the message says which.
    """
    return array_images(name, HeldImages(np.asarray(images)), np.asarray(labels), source=name, classes=classes)


@dataclass(frozen=True)
class NpyFile(StoredImages):
    """An ``.npy`` file, mapped into memory: what is not looked at takes none."""

    path: Path

    def open(self) -> Pixels:
        """Maps the file; raises ``DataError`` where there is none or it holds no plain array."""
        return read_npy(self.path)


@dataclass(frozen=True)
class NpzImages(StoredImages):
    """The array ``images`` of an ``.npz`` file, read whole by every process: large sets are better off as ``.npy``."""

    path: Path

    def open(self) -> Pixels:
        """Reads the array; raises ``DataError`` where there is none."""
        return _required(self.path, "images")


def read_npy(path: Path) -> NDArray[Any]:
    """Maps an ``.npy`` file into memory, read-only.

    Raises:
        DataError: there is no such file, or it holds no plain array.
    """
    try:
        with open_regular(path, _MAXIMAL_FILE):
            return np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # an absurd header stumbles wherever numpy first uses it
        raise DataError(f"cannot read {path}: {_one_line(error)}") from None


def read_npz(path: Path, name: str) -> NDArray[Any] | None:
    """Reads one array of an ``.npz`` file; None where the file lacks it.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        with open_regular(path, _MAXIMAL_UNPACKED) as file:
            return _entry(file, name)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # zipfile, zlib and numpy each raise their own for a damaged file
        raise DataError(f"cannot read {path}: {_one_line(error)}") from None


def _entry(file: BinaryIO, name: str) -> NDArray[Any] | None:
    """An array of an open ``.npz`` file; its header is held against the size of its entry before memory is taken."""
    with zipfile.ZipFile(file) as archive:
        if f"{name}.npy" not in archive.namelist():
            return None
        about = archive.getinfo(f"{name}.npy")
        with archive.open(about) as member:
            shape, dtype = _header(member)
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > min(about.file_size, _MAXIMAL_UNPACKED):
            raise ValueError(f"{name} claims {dtype} {shape}, and unpacks to {about.file_size} bytes")
        with archive.open(about) as member:
            array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
            return array


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    major, _ = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(member)
    return shape, dtype


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _required(path: Path, name: str) -> NDArray[Any]:
    array = read_npz(path, name)
    if array is None:
        raise DataError(f"{path} has no array {name!r}; expected `images` (N, H, W, 3) and `labels` (N,)")
    return array


def open_npz(path: Path) -> ArrayImages:
    """Opens a file with arrays ``images`` and ``labels``, and ``classes`` (names) if it has it.

    Raises:
        DataError: the file or its arrays are not as described.
    """
    names = read_npz(path, "classes")
    classes = None if names is None else [str(name) for name in names]
    return array_images(path.stem, NpzImages(path), _required(path, "labels"), source=path, classes=classes)


def open_npy_pair(images: Path, labels: Path) -> ArrayImages:
    """Opens two ``.npy`` files.

    Raises:
        DataError: a file or its array is not as described.
    """
    name = images.resolve().parent.name if images.stem == "images" else images.stem
    return array_images(name, NpyFile(images), read_npy(labels), source=images)
