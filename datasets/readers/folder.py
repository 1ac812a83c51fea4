"""A folder of images: a sub-folder for each class."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stormbench.corruptions import CORRUPTIONS
from stormbench.datasets.images import MAXIMAL_BYTES, digest_of, read_image
from stormbench.errors import BrokenImageError, DataError
from stormbench.files import read_regular

# The list of torchvision's ImageFolder.
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


_ENDINGS = f"images end in {' '.join(EXTENSIONS)}"
_NAMED_AT_MOST = 5

_ANNOTATIONS = "val_annotations.txt"
_PARTS = {"train", "training", "val", "valid", "validation", "test", "testing", "dev"}

logger = logging.getLogger(__name__)


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
        return read_image(self.path(index))

    def path(self, index: int) -> Path:
        """Where the file of an image lies."""
        return self.root / self.keys[index]

    def digest(self, index: int) -> str:
        """BLAKE2b of the file's bytes."""
        path = self.path(index)
        try:
            return digest_of(read_regular(path, MAXIMAL_BYTES))
        except OSError as error:
            raise BrokenImageError(f"{path} cannot be read: {error.strerror}") from None

    def subset(self, indices: Iterable[int]) -> Self:
        """Only these images, in this order."""
        chosen = list(indices)
        return replace(self, keys=tuple(self.keys[index] for index in chosen), labels=self.labels[chosen])


@dataclass(frozen=True)
class TinyImages(FolderImages):
    """The validation images of Tiny-ImageNet: their keys are those that class folders would give them."""

    def path(self, index: int) -> Path:
        """All files lie in one folder."""
        return self.root / "images" / self.keys[index].rpartition("/")[2]


def open_folder(root: Path) -> FolderImages:
    """Lists a class-per-folder tree in the order of torchvision's ``ImageFolder``: classes sorted, then files sorted.

    Files with other extensions than ``EXTENSIONS``, and hidden files and folders, are no images; how many others were
    left out is logged. Symbolic links are followed (subsets are often trees of links) and their images known by the
    path inside the tree. The validation part of Tiny-ImageNet, whose classes are in ``val_annotations.txt``, is read
    as if its images lay in class folders.

    Args:
        root: the folder that holds the class folders.

    Raises:
        DataError: there is no such folder, it has no class folders, its folders are no classes (parts of a data set, or
            corruptions), a class folder has no image, or links run in a circle; the message names it.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder {root}")
    if is_tiny_imagenet(root):
        return open_tiny_imagenet(root)
    classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    refuse_no_classes(root, classes)
    others: list[str] = []
    files = {name: list(_image_files(root / name, name, (), others)) for name in classes}
    _refuse_empty(root, files)
    if others:
        logger.warning("%s: %d files are left out, such as %s; %s", root, len(others), others[0], _ENDINGS)
    return FolderImages(
        root=root,
        name=root.resolve().name,
        classes=tuple(classes),
        keys=tuple(key for name in classes for key in files[name]),
        labels=np.repeat(np.arange(len(classes), dtype=np.int64), [len(files[name]) for name in classes]),
    )


def is_tiny_imagenet(root: Path) -> bool:
    """Whether this is the ``val`` folder of Tiny-ImageNet as it is downloaded."""
    return (root / "images").is_dir() and (root / _ANNOTATIONS).exists()


def open_tiny_imagenet(root: Path) -> TinyImages:
    """The validation images of Tiny-ImageNet, in the order that class folders would give them.

    Raises:
        DataError: ``val_annotations.txt`` cannot be read, or a line of it is no name of an image and synset.
    """
    path = root / _ANNOTATIONS
    try:
        lines = read_regular(path, MAXIMAL_BYTES).decode().splitlines()
        pairs = sorted((synset, name) for name, synset, *_ in (line.split("\t") for line in lines))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise DataError(f"{path} is not Tiny-ImageNet's: a line is an image, a tab, a synset, ...") from None
    if odd := [name for pair in pairs for name in pair if "/" in name or name in ("", ".", "..")]:
        raise DataError(f"{path} names {odd[0]!r}, which is no name of a file or class")
    classes = sorted({synset for synset, _ in pairs})
    labels = np.array([classes.index(synset) for synset, _ in pairs], dtype=np.int64)
    keys = tuple(f"{synset}/{name}" for synset, name in pairs)
    return TinyImages(root, f"tiny-imagenet-{root.resolve().name}", tuple(classes), keys, labels)


def refuse_no_classes(root: Path, folders: Sequence[str]) -> None:
    """Refuses a folder whose sub-folders are no classes.

    Raises:
        DataError: there are none, or they are parts of a data set or corruptions; the message says what to give.
    """
    files = [entry.name for entry in os.scandir(root) if not entry.is_dir()]
    if "labels.npy" in files and any(name.removesuffix(".npy") in CORRUPTIONS for name in files):
        raise DataError(f"{root} is a corrupted set: give it as --released, and the clean images it was made of here")
    if not folders and any(name.lower().endswith(EXTENSIONS) for name in files):
        raise DataError(
            f"{root} has images but no sub-folders; expected a folder of images for each class (ImageNet's validation "
            "images are downloaded without: sort them into folders named by synset)"
        )
    if not folders:
        raise DataError(f"{root} has no sub-folders; expected a folder of images for each class")
    if _PARTS.issuperset(folders):
        raise DataError(f"the folders in {root} are parts of a data set ({', '.join(folders)}); name one of them")
    if set(folders) <= set(CORRUPTIONS):
        raise DataError(f"{root} is a corrupted set: give it as --released, and the clean images it was made of here")


def _image_files(folder: Path, key: str, above: tuple[str, ...], others: list[str]) -> Iterator[str]:
    """The images in a folder and below; other files go into ``others``."""
    real = os.path.realpath(folder)
    if real in above:
        raise DataError(f"{folder} is a link to a folder that holds it; remove the link")
    entries = sorted((entry for entry in os.scandir(folder) if not entry.name.startswith(".")), key=lambda e: e.name)
    for entry in entries:
        if not entry.is_dir() and entry.name.lower().endswith(EXTENSIONS):
            yield f"{key}/{entry.name}"
        elif not entry.is_dir():
            others.append(f"{key}/{entry.name}")
    for entry in entries:
        if entry.is_dir():
            yield from _image_files(folder / entry.name, f"{key}/{entry.name}", (*above, real), others)


def _refuse_empty(root: Path, files: dict[str, list[str]]) -> None:
    if empty := [name for name, keys in files.items() if not keys]:
        named = ", ".join(empty[:_NAMED_AT_MOST]) + (", ..." if len(empty) > _NAMED_AT_MOST else "")
        raise DataError(
            f"{len(empty)} of {len(files)} class folders in {root} have no image ({named}); fill or remove them "
            f"({_ENDINGS})"
        )
