"""Matches the classes of a data set to those of a model."""

import csv
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from stormbench.datasets.images import ImageSet
from stormbench.datasets.readers.folder import FolderImages
from stormbench.errors import DataError

_CLASSES = 1000


_NAMED_AT_MOST = 5


@cache
def synsets() -> tuple[str, ...]:
    """The 1,000 WordNet ids of ILSVRC 2012 in the order of every ImageNet model's outputs, which is theirs sorted."""
    text = files("stormbench.datasets").joinpath("imagenet_classes.csv").read_text(encoding="utf-8")
    return tuple(row["wnid"] for row in csv.DictReader(text.splitlines()))


def match_classes(images: ImageSet, num_classes: int) -> NDArray[np.int64]:
    """Each image's label in the index space of a model.

    ImageNet classes are found by their synset ids, so a tree with some of them works. Classes that arrays only number
    from 0 keep their numbers. All others, numbers as names of folders among them, must be as many as the model has, and
    stand for its outputs in order.

    Args:
        images: the data set.
        num_classes: how many classes the model tells apart.

    Returns:
        Labels in ``0..num_classes - 1``, shape ``(n,)``.

    Raises:
        DataError: the classes cannot be matched without guessing.
    """
    classes = images.classes
    if num_classes == _CLASSES and any(name in set(synsets()) for name in classes):
        return _by_synset(images)
    if _are_numbers(classes) and not isinstance(images, FolderImages):
        _refuse_one_based(images, num_classes)
        if len(classes) <= num_classes:
            return images.labels
    if len(classes) != num_classes:
        raise DataError(
            f"{images.name} has {len(classes)} classes ({_listed(classes)}), the model {num_classes}; "
            f"a model of ImageNet's {_CLASSES} classes takes folders named by synset, such as {synsets()[0]}"
        )
    if all(name.isdecimal() for name in classes) and list(classes) != sorted(classes, key=int):
        raise DataError(
            f"the classes of {images.name} are numbers out of order ({_listed(classes)}): outputs could be meant by "
            "number or in the order of the text; pad the names with zeros (01, 02, ... 10)"
        )
    return images.labels


def _by_synset(images: ImageSet) -> NDArray[np.int64]:
    output_of = {synset: index for index, synset in enumerate(synsets())}
    if strangers := [name for name in images.classes if name not in output_of]:
        raise DataError(
            f"{len(strangers)} of the {len(images.classes)} classes of {images.name} are not among ImageNet's "
            f"{_CLASSES} ({_listed(strangers)}); remove them"
        )
    return np.array([output_of[name] for name in images.classes], dtype=np.int64)[images.labels]


def _refuse_one_based(images: ImageSet, num_classes: int) -> None:
    if len(images.classes) == num_classes + 1 and images.labels.min() == 1:
        raise DataError(
            f"the labels of {images.name} run from 1 to {num_classes}, those of the model from 0 to {num_classes - 1}: "
            "subtract 1 from each"
        )


def _are_numbers(classes: tuple[str, ...]) -> bool:
    return classes == tuple(map(str, range(len(classes))))


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:_NAMED_AT_MOST]) + (", ..." if len(names) > _NAMED_AT_MOST else "")
