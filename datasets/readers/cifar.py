"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in the folders that torchvision and the original archives unpack to."""

import io
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.datasets.readers.arrays import ArrayImages, StoredImages, array_images
from stormbench.errors import DataError, InputError
from stormbench.files import read_regular

# The largest file of the two sets has 160 MB.
_MAXIMAL_BYTES = 2**30


@dataclass(frozen=True)
class Layout:
    """Where one of the two sets keeps its parts."""

    name: str
    folder: str
    parts: dict[str, tuple[str, ...]]
    labels: str
    meta: str
    class_names: str


LAYOUTS = (
    Layout(
        name="cifar10",
        folder="cifar-10-batches-py",
        parts={"test": ("test_batch",), "train": tuple(f"data_batch_{number}" for number in range(1, 6))},
        labels="labels",
        meta="batches.meta",
        class_names="label_names",
    ),
    Layout(
        name="cifar100",
        folder="cifar-100-python",
        parts={"test": ("test",), "train": ("train",)},
        labels="fine_labels",
        meta="meta",
        class_names="fine_label_names",
    ),
)


def find_cifar(folder: Path) -> list[tuple[Layout, Path]]:
    """The CIFAR sets in a folder: the unpacked folder itself, or torchvision's root, which may hold both."""
    return [
        (layout, place)
        for layout in LAYOUTS
        for place in (folder, folder / layout.folder)
        if (place / layout.meta).is_file() and (place / layout.parts["test"][0]).is_file()
    ]


def open_cifar(folder: Path, part: str = "test") -> ArrayImages:
    """Opens CIFAR-10 or CIFAR-100.

    Args:
        folder: the unpacked folder, or the one that holds it.
        part: ``"test"`` or ``"train"``.

    Raises:
        InputError: there is no such part.
        DataError: neither set is there, both are, or a file is not what it should be.
    """
    found = find_cifar(folder)
    if len(found) != 1:
        expected = " or ".join(layout.folder for layout in LAYOUTS)
        raise DataError(f"{folder} holds {'both' if found else 'neither'} {expected}; name the one folder")
    layout, place = found[0]
    if part not in layout.parts:
        raise InputError(f"{layout.name} has the parts {' and '.join(layout.parts)}, not {part!r}")
    paths = tuple(place / file for file in layout.parts[part])
    labels = np.concatenate([_labels(path, layout.labels) for path in paths])
    classes = _entry(place / layout.meta, layout.class_names)
    if not isinstance(classes, list):
        raise DataError(f"{place / layout.meta} holds no list of class names")
    return array_images(f"{layout.name}-{part}", Batches(paths), labels, source=place, classes=classes)


@dataclass(frozen=True)
class Batches(StoredImages):
    """The images of some batch files, one after the other."""

    paths: tuple[Path, ...]

    def open(self) -> NDArray[np.uint8]:
        """Reads them, ``(N, 32, 32, 3)``; raises ``DataError`` where one is missing or not a batch."""
        planes = np.concatenate([_planes(path) for path in self.paths])
        return np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _planes(path: Path) -> NDArray[np.uint8]:
    planes = np.asarray(_entry(path, "data"))
    if planes.dtype != np.uint8 or planes.ndim != 2 or planes.shape[1] != 3072 or planes.nbytes > _MAXIMAL_BYTES:
        raise DataError(f"{path} holds {planes.dtype} {planes.shape}; expected uint8 (n, 3072)")
    return planes


def _labels(path: Path, name: str) -> NDArray[np.int64]:
    labels = _entry(path, name)
    if not isinstance(labels, list) or not all(isinstance(label, int) and 0 <= label < 100 for label in labels):
        raise DataError(f"{path}: {name} is no list of whole numbers from 0 to 99")
    return np.asarray(labels, dtype=np.int64)


def _entry(path: Path, name: str) -> Any:
    content = read_plain_pickle(path)
    if not isinstance(content, dict) or name not in content:
        raise DataError(f"{path} has no entry {name!r}: not a file of this CIFAR set")
    return content[name]


def read_plain_pickle(path: Path) -> Any:
    """Reads a pickle of plain values and numeric arrays, as Python 2 and 3 wrote them, and runs no code from it.

    Raises:
        DataError: the file is missing or damaged, or asks for anything else; the message names what.
    """
    try:
        content = read_regular(path, _MAXIMAL_BYTES)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    try:
        return _PlainUnpickler(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # a damaged pickle stumbles in as many ways as there are opcodes
        raise DataError(f"{path} is not a pickle of plain arrays: {error}") from None


def _empty(kind: type, shape: Sequence[int], code: str | bytes) -> NDArray[Any]:
    if kind is not np.ndarray:
        raise pickle.UnpicklingError(f"an array of type {kind.__name__}")
    return np.empty(shape, _dtype(code))


def _dtype(code: str | bytes, align: object = False, copy: object = False) -> np.dtype[Any]:
    dtype = np.dtype(code.decode() if isinstance(code, bytes) else code, align=bool(align), copy=bool(copy))
    if dtype.kind not in "buif":
        raise pickle.UnpicklingError(f"an array of {dtype}")
    return dtype


def _from_buffer(buffer: bytes, dtype: np.dtype[Any], shape: Sequence[int], order: str) -> NDArray[Any]:
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order="F" if order == "F" else "C").copy()


def _encode(text: str, encoding: str) -> bytes:
    return text.encode(encoding)


# All that a pickle may name, and what it gets: the modules are those of numpy 1 and 2.
_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _empty,
    ("numpy._core.multiarray", "_reconstruct"): _empty,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None
