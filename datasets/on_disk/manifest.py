"""What a generated set says about itself, so that it can be continued, verified, mended, and scored without doubt.

``manifest.json`` tells how the set was made. ``files/*.jsonl`` list what is in it, a line a file: its path, its size
and its digest. There may be millions of lines: they are written shard by shard and never held all at once.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from stormbench.cells import SEVERITIES
from stormbench.corruptions import CORRUPTIONS
from stormbench.corruptions.perturbations import LEVELS, PERTURBATIONS
from stormbench.datasets.geometry import Geometry
from stormbench.datasets.images import digest_of
from stormbench.errors import DataError
from stormbench.files import atomic_write, new_whole, open_regular, read_regular, refuse_outside

_MAXIMAL_BYTES = 2**30
_MAXIMAL_LINE = 2**16

FILE = "manifest.json"


LISTS = "files"


Layout = Literal["folders", "png", "arrays", "webdataset", "films", "sequences"]


class Manifest(BaseModel):
    """How a set was made; equal sets have equal manifests, so there is no date in it.

    Attributes:
        schema_version: of this file.
        layout: ``folders`` as ImageNet-C, ``png`` the same with PNG files only, ``arrays`` as CIFAR-10-C,
            ``webdataset`` tar files; ``films`` as ImageNet-P, ``sequences`` arrays as CIFAR-10-P.
        suite: name of the suite.
        scale: column of the severity tables.
        geometry: resize and crop; None where images were taken as they are.
        jpeg_quality: of the codec; None where it is lossless.
        seed: of everything that was drawn.
        data: name of the source.
        classes: names of its classes.
        images: how many were corrupted or perturbed.
        fingerprint: of the source's images and labels.
        skipped: images that could not be decoded.
        keys: identity of each image, where files do not have their names.
        severities: the blocks of each array, for arrays.
        versions: of the libraries that make pixels.
        cells: corruptions and severities, or perturbations and levels, that are there.
        lists: digest of each list of files, by its name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[2] = 2
    layout: Layout
    suite: str
    scale: str
    geometry: Geometry | None
    jpeg_quality: int | None
    seed: int
    data: str
    classes: list[str]
    images: int
    fingerprint: str
    skipped: list[str]
    keys: list[str] | None
    severities: list[int] | None
    versions: dict[str, str]
    cells: list[tuple[str, int]]
    lists: dict[str, str]

    @property
    def of_sequences(self) -> bool:
        """Whether its cells are perturbations."""
        return self.layout in ("films", "sequences")

    @property
    def digest(self) -> str:
        """BLAKE2b of everything in it."""
        return digest_of(self.model_dump_json().encode())

    def write(self, root: Path) -> None:
        """Puts it into the set's folder."""
        atomic_write(root / FILE, (self.model_dump_json(indent=1) + "\n").encode(), durable=True)


def read_manifest(root: Path) -> Manifest | None:
    """Reads the manifest in a set's folder; published sets have none.

    Raises:
        DataError: there is one, but it is damaged.
    """
    path = root / FILE
    try:
        manifest = Manifest.model_validate_json(read_regular(path, _MAXIMAL_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    except ValidationError as error:
        where, what = error.errors()[0]["loc"], error.errors()[0]["msg"]
        raise DataError(f"{path} is not a manifest of stormbench: {'.'.join(map(str, where))}: {what}") from None
    _refuse_foreign(manifest, path)
    return manifest


def _refuse_foreign(manifest: Manifest, path: Path) -> None:
    """Cells and lists become names of files and folders, so that only those that a writer gives are taken."""
    known, most = (PERTURBATIONS, max(LEVELS)) if manifest.of_sequences else (CORRUPTIONS, max(SEVERITIES))
    for name, number in manifest.cells:
        if name not in known or not 1 <= number <= most:
            raise DataError(f"{path} names the cell {name!r} {number}, which there is not")
    lists = {"labels", *(f"{name}{end}" for name, number in manifest.cells for end in ("", f"-{number}", f"_{number}"))}
    if strangers := sorted(manifest.lists.keys() - lists):
        raise DataError(f"{path} names the list {strangers[0]!r}, which belongs to none of its cells")


class Entry(NamedTuple):
    """One file of a set.

    Attributes:
        path: below the set's folder, with forward slashes.
        size: in bytes.
        digest: BLAKE2b (16 bytes, hexadecimal) of its content.
    """

    path: str
    size: int
    digest: str


def entry_of(root: Path, path: str) -> Entry:
    """Measures a file of a set."""
    file = root / path
    return Entry(path, file.stat().st_size, file_digest(file))


def file_digest(path: Path) -> str:
    """The digest of a file's content, which is never held whole."""
    with open_regular(path, sys.maxsize) as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def lines(entries: Iterable[Entry]) -> bytes:
    """Entries as lines of a list."""
    return "".join(f"{json.dumps(entry)}\n" for entry in entries).encode()


def list_path(root: Path, name: str) -> Path:
    """Where the list of that name lies in a set."""
    return root / LISTS / f"{name}.jsonl"


def write_lists(root: Path, names: Sequence[str], parts: Iterable[Sequence[bytes]]) -> None:
    """Writes several lists at the same time.

    Args:
        root: the set's folder.
        names: of the lists.
        parts: the next lines of each list, again and again.
    """
    paths = [list_path(root, name) for name in names]
    refuse_outside(root, root / LISTS)
    with ExitStack() as stack:
        files = [stack.enter_context(new_whole(path)) for path in paths]
        for part in parts:
            for file, more in zip(files, part, strict=True):
                file.write(more)


def read_list(root: Path, name: str) -> Iterator[Entry]:
    """The entries of a list, one after the other.

    Raises:
        DataError: the list is missing or damaged, or a path in it leads out of the set.
    """
    path = list_path(root, name)
    try:
        with open_regular(path, sys.maxsize) as file:
            while line := file.readline(_MAXIMAL_LINE):
                entry = Entry(*json.loads(line))
                if not (isinstance(entry.path, str) and isinstance(entry.size, int) and isinstance(entry.digest, str)):
                    raise ValueError("a line is no [path, size, digest]")
                if PurePosixPath(entry.path).is_absolute() or ".." in PurePosixPath(entry.path).parts:
                    raise ValueError(f"{entry.path!r} leads out of the set")
                yield entry
    except FileNotFoundError:
        raise DataError(f"{path} is missing; generate the set again") from None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is no list of files of stormbench: {error}") from None
