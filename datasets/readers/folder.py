"""A folder of images: a sub-folder for each class."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stormbench.datasets.images import digest_of, read_image
from stormbench.errors import BrokenImageError, DataError

# The list of torchvision's ImageFolder.
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


_NAMED_AT_MOST = 5


@dataclass(frozen=True)
class FolderImages:
    """The images below the class folders of a tree; see ``open_folder``."""

    root: Path
    name: str
    classes: tuple[str, ...]
    keys: tuple[str, ...] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, index: int) -> Image.Image:
        """One image, decoded, mode RGB; raises ``BrokenImageError`` where that cannot be."""
        return read_image(self.root / self.keys[index])

    def digest(self, index: int) -> str:
        """BLAKE2b of the file's bytes."""
        path = self.root / self.keys[index]
        try:
            return digest_of(path.read_bytes())
        except OSError as error:
            raise BrokenImageError(f"{path} cannot be read: {error.strerror}") from None

    def subset(self, indices: Iterable[int]) -> Self:
        """Only these images, in this order."""
        chosen = list(indices)
        return replace(self, keys=tuple(self.keys[index] for index in chosen), labels=self.labels[chosen])


def open_folder(root: Path) -> FolderImages:
    """Lists a class-per-folder tree in the order of torchvision's ``ImageFolder``: classes sorted, then files sorted.

    Files with other extensions than ``EXTENSIONS``, and hidden files and folders, are no images. Symbolic links are
    followed (subsets are often trees of links) and their images known by the path inside the tree.

    Args:
        root: the folder that holds the class folders.

    Raises:
        DataError: there is no such folder, it has no class folders, a class folder has no image, or links run in a
            circle; the message names it.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder {root}")
    classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    files = {name: list(_image_files(root / name, name, ())) for name in classes}
    _refuse_empty(root, files)
    return FolderImages(
        root=root,
        name=root.resolve().name,
        classes=tuple(classes),
        keys=tuple(key for name in classes for key in files[name]),
        labels=np.repeat(np.arange(len(classes), dtype=np.int64), [len(files[name]) for name in classes]),
    )


def _image_files(folder: Path, key: str, above: tuple[str, ...]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in above:
        raise DataError(f"{folder} is a link to a folder that holds it; remove the link")
    entries = sorted((entry for entry in os.scandir(folder) if not entry.name.startswith(".")), key=lambda e: e.name)
    for entry in entries:
        if not entry.is_dir() and entry.name.lower().endswith(EXTENSIONS):
            yield f"{key}/{entry.name}"
    for entry in entries:
        if entry.is_dir():
            yield from _image_files(folder / entry.name, f"{key}/{entry.name}", (*above, real))


def _refuse_empty(root: Path, files: dict[str, list[str]]) -> None:
    if not files:
        raise DataError(f"{root} has no sub-folders; expected a folder of images for each class")
    if empty := [name for name, keys in files.items() if not keys]:
        named = ", ".join(empty[:_NAMED_AT_MOST]) + (", ..." if len(empty) > _NAMED_AT_MOST else "")
        raise DataError(
            f"{len(empty)} of {len(files)} class folders in {root} have no image ({named}); fill or remove them "
            f"(images end in {' '.join(EXTENSIONS)})"
        )
