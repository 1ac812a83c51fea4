"""What a run leaves behind: one JSON file of counts, and beside it the outcome of every single image.

No percentages and no indices are stored. They are derived (``stormbench.benchmarks.summary``), so that a new baseline
or a new metric costs no inference.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from stormbench.benchmarks.shards import npz
from stormbench.errors import ResultError
from stormbench.files import write_whole

SCHEMA_VERSION = 1
# A result is data from a stranger. 75 cells take about 8 kB, and 50,000 skipped file names 3 MB.
MAXIMAL_BYTES = 16 * 2**20

CLEAN = "clean"
Text = Annotated[str, Field(max_length=4096)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{32,64}$")]


class Record(BaseModel):
    """Base of all parts of a result: unknown fields are refused and nothing changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Cell(Record):
    """The counts of one corruption at one severity; the clean images are severity 0 of ``"clean"``."""

    corruption: Text
    severity: Annotated[int, Field(ge=0, le=5)]
    images: PositiveInt
    wrong: NonNegativeInt
    wrong_top5: NonNegativeInt

    @model_validator(mode="after")
    def _counts_add_up(self) -> "Cell":
        if not self.wrong_top5 <= self.wrong <= self.images:
            raise ValueError(f"{self.wrong_top5} wrong in the top 5, {self.wrong} wrong, {self.images} images")
        return self

    @property
    def error(self) -> float:
        """Top-1 error in 0..1."""
        return self.wrong / self.images


class ModelRecord(Record):
    """Which weights were scored, and how pixels reached them."""

    source: Text
    digest: Digest
    classes: PositiveInt
    preprocessing: dict[str, Any]


class DefenseRecord(Record):
    """What stood between the images and the model."""

    spec: Text
    seed: int


class DataRecord(Record):
    """Which images were scored; the fingerprint covers every image's bytes and label."""

    name: Text
    images: PositiveInt
    classes: PositiveInt
    fingerprint: Digest
    skipped: list[Text]
    released: Text | None = None


class SuiteRecord(Record):
    """How the pixels were made."""

    name: Text
    scale: Text
    geometry: dict[str, Any] | None
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] | None


class OutcomesRecord(Record):
    """The file with the outcome of every image, and its digest."""

    file: Text
    sha256: Digest


class Settings(Record):
    """Everything that determines the outcome of a run: two runs with equal settings have equal counts."""

    run: Text
    suite: SuiteRecord
    model: ModelRecord
    defense: DefenseRecord | None
    data: DataRecord
    seed: int
    batch_size: PositiveInt
    versions: dict[Text, Text]


class Result(Settings):
    """One run: one model, bare or defended, on one data set under one suite."""

    schema_version: Literal[1] = 1
    created: datetime
    outcomes: OutcomesRecord
    cells: list[Cell]

    @model_validator(mode="after")
    def _cells_agree(self) -> "Result":
        keys = [(cell.corruption, cell.severity) for cell in self.cells]
        if len(set(keys)) < len(keys):
            raise ValueError("a cell stands twice")
        if any(cell.images != self.data.images for cell in self.cells):
            raise ValueError(f"a cell does not count {self.data.images} images")
        return self

    def cell(self, corruption: str, severity: int) -> Cell | None:
        """The counts of one cell, or None where it was not run."""
        return next((c for c in self.cells if (c.corruption, c.severity) == (corruption, severity)), None)


@dataclass(frozen=True)
class Outcomes:
    """What the model said, image by image; ``cells`` in the order of the result's.

    Attributes:
        keys: each image's identity, shape ``(images,)``.
        labels: each image's class in the model's index space, shape ``(images,)``.
        prediction: the class the model put first, shape ``(cells, images)``.
        rank: how many classes the model put before the true one, shape ``(cells, images)``: 0 is right, 5 or more is
            wrong in the top 5.
    """

    keys: NDArray[np.str_]
    labels: NDArray[np.int64]
    prediction: NDArray[np.int32]
    rank: NDArray[np.uint16]

    def counts(self, cells: Sequence[tuple[str, int]]) -> Iterator[Cell]:
        """The sums that go into the result file."""
        for (corruption, severity), rank in zip(cells, self.rank, strict=True):
            wrong, wrong_top5 = int((rank >= 1).sum()), int((rank >= 5).sum())
            yield Cell(corruption=corruption, severity=severity, images=rank.size, wrong=wrong, wrong_top5=wrong_top5)

    def to_bytes(self) -> bytes:
        """The content of the ``.npz`` file."""
        return npz(vars(self))


def write_result(settings: Settings, cells: Sequence[tuple[str, int]], outcomes: Outcomes, path: Path) -> Result:
    """Writes the outcomes and then the result, each whole.

    Args:
        settings: what was run.
        cells: corruption and severity of each row of the outcomes.
        outcomes: what came out.
        path: where the result goes; the outcomes go beside it.

    Returns:
        The result.
    """
    content = outcomes.to_bytes()
    beside = path.with_suffix(".npz")
    write_whole(beside, content, durable=True)
    result = Result(
        **dict(settings),
        created=datetime.now(UTC).replace(microsecond=0),
        outcomes=OutcomesRecord(file=beside.name, sha256=hashlib.sha256(content).hexdigest()),
        cells=list(outcomes.counts(cells)),
    )
    write_whole(path, (result.model_dump_json(indent=1) + "\n").encode(), durable=True)
    return result


def read_result(path: Path) -> Result:
    """Reads and checks a result file.

    Raises:
        ResultError: there is no such file, it is too large, or it is not a result; the message says where it departs.
    """
    try:
        if path.stat().st_size > MAXIMAL_BYTES:
            raise ResultError(f"{path} has more than {MAXIMAL_BYTES} bytes: not a result file")
        return Result.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ResultError(f"cannot read the result {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ResultError(f"{path} is not a result of schema {SCHEMA_VERSION}: {where}: {first['msg']}") from None


def read_outcomes(path: Path, result: Result) -> Outcomes:
    """Reads the per-image outcomes that lie beside a result file.

    Args:
        path: the result file.
        result: what it holds.

    Raises:
        ResultError: the outcomes are missing, are not those that the result names, or do not add up to its counts.
    """
    beside = path.parent / Path(result.outcomes.file).name
    try:
        content = beside.read_bytes()
        if hashlib.sha256(content).hexdigest() != result.outcomes.sha256:
            raise ResultError(f"{beside} is not the file that {path} was written with (its digest differs)")
        with np.load(beside, allow_pickle=False) as arrays:
            outcomes = Outcomes(**arrays)
    except (OSError, ValueError, TypeError) as error:
        raise ResultError(f"cannot read the outcomes {beside} of {path}: {error}") from None
    if list(outcomes.counts([(c.corruption, c.severity) for c in result.cells])) != result.cells:
        raise ResultError(f"the outcomes in {beside} do not add up to the counts in {path}")
    return outcomes


def find_results(folder: Path) -> dict[Path, Result]:
    """All results in a folder and its sub-folders, by path.

    Raises:
        ResultError: there is none, or one of them is broken.
    """
    paths = sorted(path for path in folder.rglob("*.json") if path.parent.suffix != ".unfinished")
    if not paths:
        raise ResultError(f"there is no result (*.json) in {folder}; `stormbench score ... -o {folder}` makes one")
    return {path: read_result(path) for path in paths}
