"""How a set of sequences was made; the file lies in the set's folder. Published sets have none."""

from hashlib import blake2b
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from stormbench.datasets.geometry import Geometry
from stormbench.errors import DataError
from stormbench.files import write_whole

FILE = "sequences.json"


class SequenceManifest(BaseModel):
    """Everything that determines the bytes of a set.

    Attributes:
        suite: its name.
        scale: column of the tables.
        geometry: how source images became the frames that were perturbed; None for sources as they are.
        film: whether the set consists of films (lossy) or of arrays.
        seed: of all sequences.
        data: name of the source.
        images: how many.
        fingerprint: of the source images.
        skipped: images that could not be decoded.
        versions: of the libraries that took part.
        cells: perturbations and levels.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: str
    scale: str
    geometry: Geometry | None
    film: bool
    seed: int
    data: str
    images: int
    fingerprint: str
    skipped: list[str]
    versions: dict[str, str]
    cells: list[tuple[str, int]]

    def write(self, root: Path) -> None:
        """Writes the file, whole."""
        write_whole(root / FILE, self._content())

    @property
    def digest(self) -> str:
        """Names this set in results."""
        return blake2b(self._content(), digest_size=8).hexdigest()

    def refuse_others(self, root: Path, scale: str, geometry: Geometry | None, images: int, fingerprint: str) -> None:
        """Compares the set with what a run is about to score.

        Raises:
            DataError: it was made at another scale, of images prepared otherwise, or of as many other images.
        """
        ours: dict[str, Any] = {"scale": scale, "geometry": geometry}
        if images == self.images:
            ours["fingerprint"] = fingerprint
        for name, wanted in ours.items():
            if (made := getattr(self, name)) != wanted:
                raise DataError(f"{root} was made with {name} {made}, this run has {wanted}; score like with like")

    def _content(self) -> bytes:
        return (self.model_dump_json(indent=1) + "\n").encode()


def read_sequence_manifest(root: Path) -> SequenceManifest | None:
    """Reads the file in a set's folder; published sets have none.

    Raises:
        DataError: there is one, but it is damaged.
    """
    path = root / FILE
    try:
        return SequenceManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise DataError(f"{path} does not say how a set of sequences was made: {str(error).splitlines()[0]}") from None
