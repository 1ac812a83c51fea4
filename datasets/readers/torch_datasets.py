"""Datasets as torch and torchvision have them: anything with a length whose items are an image and a label."""

import pickle
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stormbench.cells import Pixels
from stormbench.datasets.images import ImageSet, digest_of
from stormbench.datasets.readers.folder import FolderImages
from stormbench.errors import BrokenImageError, DataError
from stormbench.execution.by_value import dumps_by_value, modules_unknown_elsewhere

_TRIED = 8
# A level of 8 bits, scaled to [0, 1] and back in half precision, is this near a whole number.
_ROUNDING = 0.07
_EXPECTED = "items (image, label), or mappings with image and label"
_IMAGE, _LABEL = ("image", "img", "pixel_values"), ("label", "labels", "target", "fine_label")


class _Held:
    """A dataset that also other processes can read whose class they cannot import."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        parts = self.dataset, *getattr(self.dataset, "__dict__", {}).values()
        return _revive, (dumps_by_value(self.dataset, modules_unknown_elsewhere(parts)),)


def _revive(content: bytes) -> _Held:
    return _Held(pickle.loads(content))


@dataclass(frozen=True)
class TorchImages:
    """Images of a dataset; see ``from_torch``.

    Attributes:
        name: short name.
        classes: class names in the order of the labels.
        keys: each image's identity: its path below the dataset's root, or its index as text.
        rows: which items of the dataset, shape ``(n,)``.
        labels: each image's class, shape ``(n,)``.
        held: the dataset.
    """

    name: str
    classes: tuple[str, ...]
    keys: tuple[str, ...] = field(repr=False)
    rows: NDArray[np.int64] = field(repr=False, compare=False)
    labels: NDArray[np.int64] = field(repr=False, compare=False)
    held: _Held = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int) -> Image.Image:
        """One image, mode RGB; raises ``BrokenImageError`` where the dataset fails on it or its label has changed."""
        return Image.fromarray(self._pixels(index)).convert("RGB")

    def digest(self, index: int) -> str:
        """BLAKE2b of the pixels."""
        return digest_of(self._pixels(index).tobytes())

    def subset(self, indices: Iterable[int]) -> Self:
        """Only these images, in this order."""
        chosen = np.fromiter(indices, np.int64)
        keys = tuple(self.keys[index] for index in chosen)
        return replace(self, keys=keys, rows=self.rows[chosen], labels=self.labels[chosen])

    def _pixels(self, index: int) -> Pixels:
        row = int(self.rows[index])
        image, label = _item(self.held.dataset, row, self.name)
        if label != self.labels[index]:
            raise DataError(f"item {row} of {self.name} has label {label}, its list of labels {self.labels[index]}")
        return _levels(image, f"item {row} of {self.name}")


def from_torch(dataset: Any, *, name: str | None = None, classes: Iterable[str] | None = None) -> ImageSet:
    """Makes an image set of a torch dataset.

    Args:
        dataset: with a length, and items ``(image, label)`` or mappings with ``image`` and ``label``; or a ``Subset``
            of one. An image is a PIL image, a uint8 array ``(H, W, 3)`` or ``(H, W)``, a uint8 tensor ``(3, H, W)``
            or ``(1, H, W)``, or such a tensor or array of floats whose values are levels over 255 (``ToTensor``).
            Images must be the same each time they are read, neither normalised nor augmented: corruptions are made
            on the pixels, and ``wrap`` normalises.
        name: short name, for results; by default that of the dataset's folder or class.
        classes: class names in the order of the labels; by default those that the dataset has, or numbers.

    Returns:
        The set. torchvision's ``ImageFolder`` without transforms becomes the very set that its path would give.
        Labels are taken from ``targets`` or ``labels`` where the dataset has them; else every item is read once.

    Raises:
        DataError: it is no such dataset, or an image or a label is not as described; the message says which.
    """
    inner, indices = getattr(dataset, "dataset", None), getattr(dataset, "indices", None)
    if inner is not None and indices is not None:
        return from_torch(inner, name=name, classes=classes).subset(int(index) for index in indices)
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise DataError(f"a {type(dataset).__name__} is no dataset with a length and {_EXPECTED}")
    if not len(dataset):
        raise DataError(f"the dataset {type(dataset).__name__} is empty")
    called = name or _name(dataset)
    labels = _labels(dataset, called)
    names = _classes(dataset, labels, called, classes)
    if _is_plain_folder(dataset):
        return FolderImages(Path(dataset.root), called, names, _keys(dataset), labels)
    images = TorchImages(called, names, _keys(dataset), np.arange(len(labels)), labels, _Held(dataset))
    _refuse_random(images)
    return images


def _name(dataset: Any) -> str:
    return Path(dataset.root).resolve().name if _paths(dataset) else type(dataset).__name__.lower()


def _paths(dataset: Any) -> list[str]:
    """The files of torchvision's ``DatasetFolder``."""
    samples = getattr(dataset, "samples", None)
    rooted = isinstance(samples, list) and hasattr(dataset, "root") and len(samples) == len(dataset)
    return [str(sample[0]) for sample in samples] if rooted and isinstance(samples[0], tuple) else []  # type: ignore[index, union-attr]


def _keys(dataset: Any) -> tuple[str, ...]:
    paths = _paths(dataset)
    if all(Path(path).is_relative_to(dataset.root) for path in paths) and paths:
        return tuple(Path(path).relative_to(dataset.root).as_posix() for path in paths)
    return tuple(map(str, range(len(dataset))))


def _is_plain_folder(dataset: Any) -> bool:
    transforms = (getattr(dataset, name, None) for name in ("transform", "target_transform", "transforms"))
    loader = getattr(getattr(dataset, "loader", None), "__name__", "")
    return bool(_paths(dataset)) and loader == "default_loader" and not any(transforms)


def _labels(dataset: Any, name: str) -> NDArray[np.int64]:
    given = next((found for found in _lists_of_labels(dataset) if len(found) == len(dataset)), None)
    labels = [_item(dataset, row, name)[1] for row in range(len(dataset))] if given is None else given
    found = np.array([_whole(label, name) for label in labels], dtype=np.int64)
    if found.min() < 0:
        raise DataError(f"the labels of {name} start at 0; one is {found.min()}")
    return found


def _lists_of_labels(dataset: Any) -> Iterator[Any]:
    if getattr(dataset, "target_transform", None) is None:
        yield from (
            found for name in ("targets", "labels") if hasattr(found := getattr(dataset, name, None), "__len__")
        )


def _whole(label: Any, name: str) -> int:
    number = label.item() if hasattr(label, "item") else label
    if isinstance(number, bool) or not isinstance(number, int):
        raise DataError(f"the labels of {name} are whole numbers; one is {number!r} of type {type(number).__name__}")
    return number


def _classes(dataset: Any, labels: NDArray[np.int64], name: str, given: Iterable[str] | None) -> tuple[str, ...]:
    known = getattr(dataset, "wnids", None) or getattr(dataset, "classes", None)  # ImageNet's classes are word lists
    numbers = range(int(labels.max()) + 1)
    names = tuple(given) if given is not None else tuple(map(str, known if known else numbers))
    if labels.max() >= len(names):
        raise DataError(f"the labels of {name} run to {labels.max()}, its {len(names)} classes from 0")
    return names


def _item(dataset: Any, row: int, name: str) -> tuple[Any, int]:
    try:
        item = dataset[row]
    except Exception as error:  # the dataset is the user's: it may raise anything
        raise BrokenImageError(f"item {row} of {name} cannot be read: {_told(error)}") from None
    if isinstance(item, Mapping):
        image, label = (next((item[key] for key in keys if key in item), None) for keys in (_IMAGE, _LABEL))
    elif isinstance(item, tuple | list) and len(item) >= 2:
        image, label = item[:2]
    else:
        image = label = None
    if image is None or label is None:
        raise DataError(f"item {row} of {name} is a {type(item).__name__}; expected {_EXPECTED}")
    return image, _whole(label, name)


def _levels(image: Any, what: str) -> Pixels:
    """The image as 8-bit levels, ``(H, W, 3)`` or ``(H, W)``."""
    if isinstance(image, Image.Image):
        return np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    channels_first = hasattr(image, "detach")
    array = np.asarray(image.detach().cpu() if channels_first else image)
    if channels_first and array.ndim == 3:
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or array.dtype.kind not in "uf":
        raise DataError(f"{what} is {array.dtype} {array.shape}; expected a PIL image, or uint8 or [0, 1] RGB or grey")
    return np.ascontiguousarray(_whole_levels(array, what))


def _whole_levels(array: NDArray[Any], what: str) -> Pixels:
    if array.dtype == np.uint8:
        return array
    levels = array.astype(np.float64) * 255
    whole = np.rint(levels)
    near = bool(np.isfinite(levels).all()) and float(np.abs(levels - whole).max()) <= _ROUNDING
    if array.dtype.kind != "f" or not near or whole.min() < 0 or whole.max() > 255:
        raise DataError(
            f"{what} has values from {array.min():.3g} to {array.max():.3g} that are no 8-bit levels over 255; take "
            "normalisation and resizing of tensors out of the dataset's transforms (wrap takes mean, std and size)"
        )
    return whole.astype(np.uint8)


def _refuse_random(images: TorchImages) -> None:
    for index in range(min(_TRIED, len(images))):
        with suppress(BrokenImageError):  # a run says so, or skips it where that is asked for
            if images.digest(index) != images.digest(index):
                raise DataError(
                    f"{images.name} gives another image each time item {index} is read; take random transforms out"
                )


def _told(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
