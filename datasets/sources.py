"""Finds the right reader for what the user calls the data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stormbench.datasets.images import ImageSet
from stormbench.datasets.readers.arrays import open_npy_pair, open_npz
from stormbench.datasets.readers.cifar import find_cifar, open_cifar
from stormbench.datasets.readers.digits import open_digits
from stormbench.datasets.readers.folder import open_folder
from stormbench.errors import DataError
from stormbench.registry import Registry


@dataclass(frozen=True)
class DataSource:
    """One way to name data.

    Attributes:
        name: the prefix.
        spelling: how a user writes it in full.
        summary: one line on what it is.
        open: opens what stands behind the prefix and its colon.
    """

    name: str
    spelling: str
    summary: str
    open: Callable[[str], ImageSet]


def _digits(part: str) -> ImageSet:
    if part not in ("", "test", "train"):
        raise DataError(f"digits has the parts digits:test (or digits) and digits:train, not {part!r}")
    return open_digits(part or "test")


def _npy(spelling: str) -> ImageSet:
    images, _, labels = spelling.partition(",")
    return open_npy_pair(Path(images), Path(labels) if labels else Path(images).with_name("labels.npy"))


DATA_SOURCES = Registry(
    "data source",
    [
        DataSource("digits", "digits[:train]", "scikit-learn's handwritten digits at 32x32; installed", _digits),
        DataSource(
            "folder", "[folder:]DIR", "a sub-folder of images for each class", lambda path: open_folder(Path(path))
        ),
        DataSource("npz", "[npz:]FILE.npz", "arrays `images` and `labels`", lambda path: open_npz(Path(path))),
        DataSource("npy", "[npy:]IMAGES.npy[,LABELS.npy]", "two arrays; labels.npy lies beside", _npy),
        DataSource(
            "cifar", "[cifar:]DIR", "CIFAR-10 or -100, unpacked: test images", lambda path: open_cifar(Path(path))
        ),
        DataSource(
            "cifar-train", "cifar-train:DIR", "its training images", lambda path: open_cifar(Path(path), "train")
        ),
    ],
)


def open_images(source: str | Path) -> ImageSet:
    """Opens a labelled image set.

    Args:
        source: one of the spellings in ``DATA_SOURCES``; without a prefix, the path itself tells what it is. A folder
            that happens to be called ``digits`` is ``./digits``.

    Raises:
        DataError: there is nothing there, or it is not what it should be.
    """
    prefix, _, rest = str(source).partition(":")
    if prefix in DATA_SOURCES and (rest or prefix == "digits") and not isinstance(source, Path):
        return DATA_SOURCES[prefix].open(rest)
    return DATA_SOURCES[_kind(str(source))].open(str(source))


def _kind(path: str) -> str:
    if path.endswith((".npy", ".npz")):
        return path[-3:]
    if find_cifar(Path(path)):
        return "cifar"
    if Path(path).is_dir():
        return "folder"
    spellings = ", ".join(entry.spelling for entry in DATA_SOURCES.values())
    raise DataError(f"there is no data set at {path}; expected one of: {spellings}")
