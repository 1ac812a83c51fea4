"""Images in arrays: ``.npy`` pairs, ``.npz`` files, and whatever else can be brought to that form."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from stormbench.datasets.images import digest_of
from stormbench.errors import DataError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ArrayImages:
    """Rows of an array of images.

    Attributes:
        name: short name.
        classes: class names in the order of the labels; the numbers themselves where the data have no names.
        rows: which rows of the array, shape ``(n,)``; their numbers, as text, are the keys.
        labels: each image's class, shape ``(n,)``.
        load: gives the array ``(N, H, W, 3)`` or grey ``(N, H, W)``, uint8; pickled in the array's stead, and expected
            to keep what it has loaded.
    """

    name: str
    classes: tuple[str, ...]
    rows: NDArray[np.int64] = field(repr=False, compare=False)
    labels: NDArray[np.int64] = field(repr=False, compare=False)
    load: Callable[[], Pixels] = field(repr=False)

    @property
    def keys(self) -> tuple[str, ...]:
        """The row numbers as text."""
        return tuple(map(str, self.rows))

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int) -> Image.Image:
        """One image, mode RGB."""
        return Image.fromarray(np.asarray(self._row(index))).convert("RGB")

    def digest(self, index: int) -> str:
        """BLAKE2b of the row's bytes."""
        return digest_of(self._row(index).tobytes())

    def subset(self, indices: Iterable[int]) -> Self:
        """Only these images, in this order."""
        chosen = np.fromiter(indices, np.int64)
        return replace(self, rows=self.rows[chosen], labels=self.labels[chosen])

    def _row(self, index: int) -> Pixels:
        return self.load()[self.rows[index]]


def array_images(
    name: str, load: Callable[[], Pixels], labels: NDArray[Any], *, source: object, classes: Iterable[str] | None = None
) -> ArrayImages:
    """Checks an array of images against its labels.

    Args:
        name: short name of the set.
        load: see ``ArrayImages``.
        labels: class indices, shape ``(n,)``, any integer type.
        source: what messages call the data.
        classes: class names; by default the numbers from 0 to the largest label.

    Raises:
        DataError: shapes, types or ranges are not as described; the message says which.
    """
    images = load()
    grey_or_rgb = images.ndim == 3 or (images.ndim == 4 and images.shape[-1] == 3)
    if not grey_or_rgb or images.dtype != np.uint8:
        raise DataError(f"{source}: images are uint8 (N, H, W, 3) or (N, H, W), not {images.dtype} {images.shape}")
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise DataError(f"{source}: {len(images)} images need as many whole numbers, not {labels.dtype} {labels.shape}")
    if not len(images):
        raise DataError(f"{source} has no images")
    names = tuple(map(str, range(int(labels.max()) + 1) if classes is None else classes))
    if labels.min() < 0 or labels.max() >= len(names):
        raise DataError(
            f"{source}: labels run from {labels.min()} to {labels.max()}, classes from 0 to {len(names) - 1}"
        )
    return ArrayImages(name, names, np.arange(len(images)), labels.astype(np.int64), load)


@dataclass(frozen=True)
class NpyFile:
    """An ``.npy`` file, mapped into memory at first use."""

    path: Path

    def __call__(self) -> NDArray[Any]:
        """The array.

        Raises:
            DataError: there is no such file, or it holds no plain array.
        """
        return _map_npy(self.path)


@dataclass(frozen=True)
class NpzArray:
    """One array of an ``.npz`` file, read whole at first use: for large sets ``.npy`` files take less memory."""

    path: Path
    name: str

    def __call__(self) -> NDArray[Any]:
        """The array; raises ``DataError`` as ``NpyFile`` does, and where the file lacks it."""
        return _read_npz(self.path, self.name)


@lru_cache(maxsize=8)
def _map_npy(path: Path) -> NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"cannot read {path}: {error}") from None
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is not an .npy file")
    return array


@lru_cache(maxsize=8)
def _read_npz(path: Path, name: str) -> NDArray[Any]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            array: NDArray[Any] = arrays[name]
    except KeyError:
        raise DataError(f"{path} has no array {name!r}; expected `images` (N, H, W, 3) and `labels` (N,)") from None
    except Exception as error:  # zipfile, zlib and numpy each raise their own for a damaged file
        raise DataError(f"cannot read {path}: {error}") from None
    return array


def open_npz(path: Path) -> ArrayImages:
    """Opens a file with arrays ``images`` and ``labels``, and ``classes`` (names) if it has it.

    Raises:
        DataError: the file or its arrays are not as described.
    """
    images, labels = NpzArray(path, "images"), NpzArray(path, "labels")()
    with np.load(path, allow_pickle=False) as arrays:
        classes = [str(name) for name in arrays["classes"]] if "classes" in arrays else None
    return array_images(path.stem, images, labels, source=path, classes=classes)


def open_npy_pair(images: Path, labels: Path) -> ArrayImages:
    """Opens two ``.npy`` files.

    Raises:
        DataError: a file or its array is not as described.
    """
    name = images.resolve().parent.name if images.stem == "images" else images.stem
    return array_images(name, NpyFile(images), NpyFile(labels)(), source=images)
