"""What a run leaves behind: one JSON file of counts, and beside it the outcome of every single image.

No percentages and no indices are stored. They are derived (``stormbench.benchmarks.summary``), so that a new baseline
or a new metric costs no inference.

A result is data from a stranger: it is bounded in size, parsed strictly, and its seal, its outcomes and its counts must
agree with each other. The seal shows slips and casual edits; whoever forges a result writes a new seal, and is found
out by ``stormbench verify``, which asks the model.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator
from pydantic_core import from_json

from stormbench.benchmarks.models.preprocessing import Preprocessing
from stormbench.benchmarks.results.adversarial import AdversarialRecord
from stormbench.benchmarks.results.outcomes import Outcomes, outcomes_from
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.records import Count, Digest, PositiveCount, Record, Text
from stormbench.datasets import Geometry
from stormbench.errors import ResultError
from stormbench.files import write_whole
from stormbench.metrics.classification import wrong_in_top

SCHEMA_VERSION = 2
# 75 cells take about 8 kB, and 50,000 skipped file names 3 MB.
MAXIMAL_BYTES = 16 * 2**20

CLEAN = "clean"


class Cell(Record):
    """The counts of one corruption at one severity; the clean images are severity 0 of ``"clean"``."""

    corruption: Text
    severity: Annotated[int, Field(ge=0, le=5)]
    images: PositiveCount
    wrong: Count
    wrong_top5: Count

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
    classes: PositiveCount
    preprocessing: Preprocessing


class DefenseRecord(Record):
    """What stood between the images and the model.

    Attributes:
        spec: as the user wrote it.
        seed: of its draws.
        weights: digest of its own weights, because a specification names but a file; None where it has none.
    """

    spec: Text
    seed: int
    weights: Digest | None = None


class DataRecord(Record):
    """Which images were scored; the fingerprint covers every image's bytes and label."""

    name: Text
    images: PositiveCount
    classes: PositiveCount
    fingerprint: Digest
    skipped: list[Text]
    released: Text | None = None


class SuiteRecord(Record):
    """How the pixels were made."""

    name: Text
    scale: Text
    geometry: Geometry | None
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
    batch_size: PositiveCount
    versions: dict[Text, Text]


class Result(Settings):
    """One run: one model, bare or defended, on one data set under one suite.

    Attributes:
        adversarial: what attacks left of it; None where none was run.
        seal: digest of everything else in the file; None in files from before there were seals.
    """

    schema_version: Literal[2] = 2
    created: datetime
    outcomes: OutcomesRecord
    cells: Annotated[list[Cell], Field(min_length=1)]
    adversarial: AdversarialRecord | None = None
    seal: Digest | None = None

    @model_validator(mode="after")
    def _cells_agree(self) -> "Result":
        if len(set(self.keys)) < len(self.keys):
            raise ValueError("a cell stands twice")
        if self.adversarial and self.adversarial.images != self.data.images:
            raise ValueError(f"the attack does not count {self.data.images} images")
        if any(cell.images != self.data.images for cell in self.cells):
            raise ValueError(f"a cell does not count {self.data.images} images")
        return self

    @property
    def keys(self) -> list[tuple[str, int]]:
        """Corruption and severity of each cell, in order."""
        return [(cell.corruption, cell.severity) for cell in self.cells]

    def cell(self, corruption: str, severity: int) -> Cell | None:
        """The counts of one cell, or None where it was not run."""
        return next((c for c in self.cells if (c.corruption, c.severity) == (corruption, severity)), None)


def count(cells: Sequence[tuple[str, int]], outcomes: Outcomes) -> list[Cell]:
    """The sums that go into the result file: ``cells`` names the rows of the outcomes."""
    return [
        _cell(corruption, severity, rank) for (corruption, severity), rank in zip(cells, outcomes.rank, strict=True)
    ]


def _cell(corruption: str, severity: int, rank: NDArray[np.uint16]) -> Cell:
    wrong, wrong_top5 = wrong_in_top(rank, 1), wrong_in_top(rank, 5)
    return Cell(corruption=corruption, severity=severity, images=rank.size, wrong=wrong, wrong_top5=wrong_top5)


def write_result(
    settings: Settings,
    cells: Sequence[tuple[str, int]],
    outcomes: Outcomes,
    path: Path,
    adversarial: AdversarialRecord | None = None,
) -> Result:
    """Writes the outcomes and then the result, each whole.

    Args:
        settings: what was run.
        cells: corruption and severity of each row of the outcomes.
        outcomes: what came out.
        path: where the result goes; the outcomes go beside it.
        adversarial: what an adversary left, where one was let loose.

    Returns:
        The result.
    """
    content = outcomes.to_bytes()
    beside = path.with_suffix(".npz")
    write_whole(beside, content, durable=True)
    unsealed = Result(
        **dict(settings),
        created=datetime.now(UTC).replace(microsecond=0),
        outcomes=OutcomesRecord(file=beside.name, sha256=hashlib.sha256(content).hexdigest()),
        cells=count(cells, outcomes),
        adversarial=adversarial,
    )
    result = unsealed.model_copy(update={"seal": seal_of(unsealed.model_dump(mode="json"))})
    write_whole(path, (result.model_dump_json(indent=1) + "\n").encode(), durable=True)
    return result


def seal_of(document: dict[str, Any]) -> str:
    """SHA-256 of a result's document, its seal left out; neither the order of keys nor white space matters."""
    rest = {key: value for key, value in document.items() if key != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_result(path: Path) -> Result:
    """Reads and checks a result file; one of an older schema is migrated.

    Raises:
        ResultError: there is no such file, it is too large, it is not a result, or it was changed after it was written;
            the message says where it departs.
    """
    if is_sequence_result(path):
        raise ResultError(f"{path} is a result on sequences; a result on images is wanted here")
    document = _migrated(_document(path), path)
    try:
        result = Result.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = shown(".".join(map(str, first["loc"])), longest=200) or "the file"
        said = f"{where}: {shown(first['msg'])}"
        raise ResultError(f"{path} is not a result of schema {SCHEMA_VERSION}: {said}") from None
    if result.seal is not None and result.seal != seal_of(document):
        raise ResultError(f"{path} was changed after it was written: its seal does not fit; score the model anew")
    return result


def _document(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAXIMAL_BYTES:
            raise ResultError(f"{path} has more than {MAXIMAL_BYTES} bytes: not a result file")
        document = from_json(path.read_bytes(), allow_inf_nan=False)
    except OSError as error:
        raise ResultError(f"cannot read the result {path}: {error.strerror}") from None
    except ValueError as error:
        raise ResultError(f"{path} is not a result: {shown(str(error))}") from None
    if not isinstance(document, dict):
        raise ResultError(f"{path} is not a result: it holds no JSON object")
    return document


def _migrated(document: dict[str, Any], path: Path) -> dict[str, Any]:
    version = document.get("schema_version")
    if version == 1:  # as 2, but without a seal
        return document | {"schema_version": SCHEMA_VERSION, "seal": None}
    if version != SCHEMA_VERSION:
        raise ResultError(
            f"{path} has schema_version {shown(str(version), longest=40)}; this stormbench reads 1 and "
            f"{SCHEMA_VERSION}: it is not a result, or a newer stormbench wrote it"
        )
    return document


def read_outcomes(path: Path, result: Result) -> Outcomes:
    """Reads the per-image outcomes that lie beside a result file.

    Args:
        path: the result file.
        result: what it holds.

    Raises:
        ResultError: the outcomes are missing, are not those that the result names, contradict themselves, or do not
            add up to its counts.
    """
    beside = path.parent / Path(result.outcomes.file).name
    try:
        content = beside.read_bytes()
    except (OSError, ValueError) as error:
        raise ResultError(f"cannot read the outcomes {beside} of {path}: {error}") from None
    if hashlib.sha256(content).hexdigest() != result.outcomes.sha256:
        raise ResultError(f"{beside} is not the file that {path} was written with (its digest differs)")
    outcomes = outcomes_from(content, str(beside))
    if departure := outcomes.departure(result.data.images, result.model.classes, len(result.cells)):
        raise ResultError(f"the outcomes in {beside} cannot be those of {path}: {departure}")
    if count([(c.corruption, c.severity) for c in result.cells], outcomes) != result.cells:
        raise ResultError(f"the outcomes in {beside} do not add up to the counts in {path}")
    return outcomes


def find_results(folder: Path) -> dict[Path, Result]:
    """All results on images in a folder and its sub-folders, by path; results on sequences are passed over.

    Raises:
        ResultError: there is no result at all, or one of them is broken.
    """
    paths = sorted(path for path in folder.rglob("*.json") if path.parent.suffix != ".unfinished")
    if not paths:
        raise ResultError(f"there is no result (*.json) in {folder}; `stormbench score ... -o {folder}` makes one")
    return {path: read_result(path) for path in paths if not is_sequence_result(path)}


def is_sequence_result(path: Path) -> bool:
    """Whether a file says of itself that it is a result on sequences (``stormbench.benchmarks.sequences``)."""
    try:
        return _document(path).get("kind") == "sequences"
    except ResultError:
        return False
