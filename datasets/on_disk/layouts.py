"""File names of every layout of a corrupted set, and the cell that a name belongs to."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from stormbench.cells import Cell
from stormbench.datasets.images import ImageSet
from stormbench.datasets.on_disk.manifest import Layout
from stormbench.errors import DataError

LABELS = "labels.npy"


def cell_list(cell: Cell) -> str:
    """The name of the list of a cell's files, where each cell has files of its own."""
    return f"{cell[0]}-{cell[1]}"


def sequence_name(cell: Cell) -> str:
    """What a perturbation is called on disk: ``_2`` and ``_3`` mark the higher levels."""
    return cell[0] if cell[1] == 1 else f"{cell[0]}_{cell[1]}"


def severity_folder(cell: Cell) -> str:
    """Where the files of a corruption at a severity lie."""
    return f"{cell[0]}/{cell[1]}"


FOLDERS: Mapping[Layout, Callable[[Cell], str]] = {
    "folders": severity_folder,
    "png": severity_folder,
    "webdataset": severity_folder,
    "films": sequence_name,
}


def cell_of(path: str) -> tuple[Cell, str]:
    """The cell that a file in ``<corruption>/<severity>/`` belongs to, and its path in there.

    Raises:
        KeyError: the path has no such form.
    """
    corruption, _, rest = path.partition("/")
    severity, _, place = rest.partition("/")
    if not (place and severity.isdecimal() and str(int(severity)) == severity):
        raise KeyError(path)
    return (corruption, int(severity)), place


def sequence_of(path: str) -> tuple[Cell, str]:
    """Likewise of a file in ``<perturbation>/`` or, at a higher level, ``<perturbation>_<level>/``.

    Raises:
        KeyError: the path has no such form.
    """
    folder, _, place = path.partition("/")
    name, _, level = folder.rpartition("_")
    cell = (name, int(level)) if level.isdecimal() else (folder, 1)
    if not place or sequence_name(cell) != folder:
        raise KeyError(path)
    return cell, place


def places(images: ImageSet, suffix: str | None = None) -> list[str]:
    """The path of each image below ``<corruption>/<severity>/``: its own in a tree, else ``<class>/<key>.JPEG``.

    Args:
        images: the data set.
        suffix: of all files, instead of their own.

    Raises:
        DataError: a class name of the data would lead out of the folder, or two images would get the same name.
    """
    found = [
        key if "/" in key else f"{images.classes[label]}/{key}.JPEG"
        for key, label in zip(images.keys, images.labels, strict=True)
    ]
    found = found if suffix is None else [f"{place.rpartition('.')[0]}{suffix}" for place in found]
    for place in found:
        if PurePosixPath(place).is_absolute() or ".." in PurePosixPath(place).parts:
            raise DataError(f"{images.name} would be written to {place!r}, out of its folder; rename its classes")
    if len(set(found)) < len(found):
        ((twice, _),) = Counter(found).most_common(1)
        raise DataError(f"several images of {images.name} would be written to {twice!r}; rename all but one")
    return found


def film_places(images: ImageSet) -> list[str]:
    """The path of each image's film below its cell's folder: ``<class>/<name>.mp4``."""
    return [str(PurePosixPath(place).with_suffix(".mp4")) for place in places(images)]


IMAGES_A_TAR = 256


def tar_name(position: int) -> str:
    """The tar file that holds the image at a position."""
    return f"{position // IMAGES_A_TAR:06d}.tar"


def member_name(position: int, extension: str) -> str:
    """What the image at a position is called in its tar file."""
    return f"{position:09d}.{extension}"


def image_extension(quality: int | None) -> str:
    """The kind of image files that a suite's tars hold: its own codec's, or a lossless one."""
    return "png" if quality is None else "jpg"
