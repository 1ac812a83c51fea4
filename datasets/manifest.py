"""What a generated set says about itself, so that it can be continued, added to, and scored without doubt."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from stormbench.datasets.images import digest_of
from stormbench.errors import DataError
from stormbench.files import write_whole

FILE = "manifest.json"


class Manifest(BaseModel):
    """How a corrupted set was made; equal sets have equal manifests, so there is no date in it.

    Attributes:
        schema_version: of this file.
        layout: ``folders`` as ImageNet-C, ``arrays`` as CIFAR-10-C.
        suite: name of the suite.
        scale: column of the severity tables.
        geometry: resize and crop; None where images were taken as they are.
        jpeg_quality: of the codec; None where it is lossless.
        seed: of everything that was drawn.
        data: name of the source.
        classes: names of its classes.
        images: how many were corrupted.
        fingerprint: of the source's images and labels.
        skipped: images that could not be decoded.
        keys: identity of each row, for arrays.
        severities: the blocks of each array, for arrays.
        versions: of the libraries that make pixels.
        cells: corruptions and severities that are there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    layout: Literal["folders", "arrays"]
    suite: str
    scale: str
    geometry: dict[str, Any] | None
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

    @property
    def digest(self) -> str:
        """BLAKE2b of everything in it."""
        return digest_of(self.model_dump_json().encode())

    def write(self, root: Path) -> None:
        """Puts it into the set's folder."""
        write_whole(root / FILE, (self.model_dump_json(indent=1) + "\n").encode(), durable=True)


def read_manifest(root: Path) -> Manifest | None:
    """Reads the manifest in a set's folder; published sets have none.

    Raises:
        DataError: there is one, but it is damaged.
    """
    path = root / FILE
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise DataError(f"{path} is not a manifest of stormbench: {str(error).splitlines()[0]}") from None
