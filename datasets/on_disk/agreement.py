"""Holds the arrays of a corrupted set against the images that it is scored with, before anything is scored."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.datasets.images import ImageSet
from stormbench.datasets.on_disk.layouts import LABELS
from stormbench.datasets.on_disk.manifest import Manifest, file_digest, read_list
from stormbench.datasets.readers.arrays import read_npy
from stormbench.errors import DataError


def refuse_other_arrays(
    root: Path, images: ImageSet, rows: Mapping[str, int] | None, names: Iterable[str], blocks: int
) -> None:
    """Refuses arrays of images that cannot be these images, severity by severity.

    Args:
        root: folder of the set.
        images: the clean images.
        rows: the row of each image within a block, by key; None where keys are row numbers.
        names: of the arrays, without their ending.
        blocks: how many times each array has every image, one after the other.

    Raises:
        DataError: an array has another type or shape, ``labels.npy`` another length, or an image another label.
    """
    labels = _labels(root)
    for path in (root / f"{name}.npy" for name in names):
        array = read_npy(path)
        if array.dtype != np.uint8 or array.ndim < 4 or array.shape[-1] != 3:
            raise DataError(f"{path} holds {array.dtype} {array.shape}; expected uint8 images, (rows, H, W, 3)")
        if len(array) % blocks:
            raise DataError(f"{path} has {len(array)} rows, which are not {blocks} severities of as many images each")
        if labels is not None:
            _refuse_other_labels(root, _one_block(root, labels, path, len(array), blocks), images, rows)


def refuse_changed(root: Path, manifest: Manifest | None, names: Sequence[str]) -> None:
    """Refuses arrays whose bytes are not those that a set's own lists name.

    Raises:
        DataError: one has changed since, or is listed nowhere.
    """
    for name in names if manifest else ():
        for entry in read_list(root, name):
            if entry.path == f"{name}.npy" and file_digest(root / entry.path) != entry.digest:
                raise DataError(f"{root / entry.path} has changed since the set was made; `stormbench verify` it")


def _labels(root: Path) -> NDArray[Any] | None:
    path = root / LABELS
    if not path.exists():
        return None
    labels = read_npy(path)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(f"{path} holds {labels.dtype} {labels.shape}; expected whole numbers, (rows,)")
    return labels


def _one_block(root: Path, labels: NDArray[Any], path: Path, rows: int, blocks: int) -> NDArray[Any]:
    """The labels of every image once."""
    if len(labels) == rows // blocks:
        return labels
    if len(labels) != rows:
        raise DataError(f"{root / LABELS} has {len(labels)} labels, {path.name} {rows} rows")
    by_block = labels.reshape(blocks, -1)
    if (by_block != by_block[0]).any():
        raise DataError(
            f"the labels in {root / LABELS} do not repeat {blocks} times: {path.name} does not hold severities 1 to "
            f"{blocks} of the same images, one after the other"
        )
    first: NDArray[Any] = by_block[0]
    return first


def _refuse_other_labels(root: Path, labels: NDArray[Any], images: ImageSet, rows: Mapping[str, int] | None) -> None:
    places = np.array([int(key) if rows is None else rows[key] for key in images.keys])
    if places.max() >= len(labels):
        raise DataError(f"{root} has {len(labels)} images for each severity, none for image {places.max()}")
    others = np.flatnonzero(labels[places] != images.labels)
    if len(others):
        first = others[0]
        raise DataError(
            f"{root} was not made of {images.name} in this order: {len(others)} of {len(images)} labels differ, first "
            f"in row {places[first]}, which has label {labels[places[first]]} there and {images.labels[first]} here"
        )
