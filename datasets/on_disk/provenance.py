"""Where a corrupted set came from, on the machine that made it: a note beside the manifest.

The manifest says which images a set was made of, by their digests; equal sets have equal manifests on all machines.
This note says where they lay and when their files were last touched, so that a second run need not decode them again.
"""

from hashlib import blake2b
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from stormbench.datasets.images import ImageSet
from stormbench.datasets.readers.folder import FolderImages
from stormbench.files import atomic_write, read_regular

SOURCE = ".source.json"
_MAXIMAL_BYTES = 2**28


class Provenance(BaseModel):
    """What was found in the source when it was last decoded.

    Attributes:
        source: how to open it again; None where it was never named.
        signature: of its files' names, sizes and times; None where it is no folder.
        fingerprint: of its images.
        broken: for every image that could not be decoded its index and the reason.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    source: str | None
    signature: str | None
    fingerprint: str
    broken: dict[int, str]

    def write(self, root: Path) -> None:
        """Puts the note into the set's folder."""
        content = (self.model_dump_json(indent=1) + "\n").encode()
        if read_provenance(root) != self:
            atomic_write(root / SOURCE, content, durable=True)


def read_provenance(root: Path) -> Provenance | None:
    """The note in a set's folder; None where there is none that can be read: it only saves time."""
    try:
        return Provenance.model_validate_json(read_regular(root / SOURCE, _MAXIMAL_BYTES))
    except (OSError, ValidationError):
        return None


def signature(images: ImageSet) -> str | None:
    """A digest of the names, sizes and times of a folder's images, without reading them; None for other data.

    The time of the last change of a file's record (ctime) is in it, which no copying tool can set back.
    """
    if not isinstance(images, FolderImages):
        return None
    digest = blake2b(str(images.root.resolve()).encode(errors="surrogateescape"), digest_size=16)
    for index, key in enumerate(images.keys):
        try:
            about = images.path(index).stat()
        except OSError:
            return None  # decoding will say what is wrong
        line = f"{key}\x1f{about.st_size}\x1f{about.st_mtime_ns}\x1f{about.st_ctime_ns}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def spelling(source: str | Path | ImageSet) -> str | None:
    """How to open a source again from any working directory."""
    if isinstance(source, FolderImages):
        return str(source.root.resolve())
    if not isinstance(source, str | Path):
        return None
    return str(Path(source).resolve()) if Path(source).exists() else str(source)
