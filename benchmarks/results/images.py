"""Result files of runs on images."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from stormbench.benchmarks.results.arrays import arrays_from, sealed_content
from stormbench.benchmarks.results.attacks import AdversarialRecord, recounted
from stormbench.benchmarks.results.documents import SCHEMA_VERSION, kind_of, migrated, read_record, write_sealed
from stormbench.benchmarks.results.records import Count, Digest, PositiveCount, Record, Text
from stormbench.benchmarks.results.settings import OutcomesRecord, Settings
from stormbench.defenses.robustness.outcomes import AttackOutcomes, attack_arrays
from stormbench.errors import ResultError
from stormbench.files import atomic_write, npz
from stormbench.metrics.classification import wrong_in_top


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

    def departure(self, images: int, classes: int, cells: int) -> str | None:
        """What is impossible about these outcomes, for a run of that size; None where nothing is."""
        shapes = {"keys": (images,), "labels": (images,), "prediction": (cells, images), "rank": (cells, images)}
        for name, shape in shapes.items():
            array: NDArray[Any] = getattr(self, name)
            if array.shape != shape or array.dtype.kind not in ("U" if name == "keys" else "iu"):
                return f"{name} has shape {array.shape} and type {array.dtype}, not shape {shape}"
        if len(np.unique(self.keys)) < images:
            return "two images have the same key"
        for name in ("labels", "prediction", "rank"):
            array = getattr(self, name)
            if array.size and not 0 <= int(array.min()) <= int(array.max()) < classes:
                return f"{name} must lie in 0..{classes - 1}, got {array.min()}..{array.max()}"
        if ((self.rank == 0) != (self.prediction == self.labels)).any():
            return "a rank contradicts its prediction: the true class has rank 0 exactly where it was predicted"
        return None


OUTCOME_ARRAYS = [field.name for field in fields(Outcomes)]


class CellCounts(Record):
    """The counts of one corruption at one severity; the clean images are severity 0 of ``"clean"``."""

    corruption: Text
    severity: Annotated[int, Field(ge=0, le=5)]
    images: PositiveCount
    wrong: Count
    wrong_top5: Count

    @model_validator(mode="after")
    def _counts_add_up(self) -> "CellCounts":
        if not self.wrong_top5 <= self.wrong <= self.images:
            raise ValueError(f"{self.wrong_top5} wrong in the top 5, {self.wrong} wrong, {self.images} images")
        return self

    @property
    def error(self) -> float:
        """Top-1 error in 0..1."""
        return self.wrong / self.images


class Result(Settings):
    """One run: one model, bare or defended, on one data set under one suite.

    Attributes:
        adversarial: what attacks left of it; None where none was run.
        seal: digest of everything else in the file; None in files from before there were seals.
    """

    schema_version: Literal[3] = 3
    created: datetime
    outcomes: OutcomesRecord
    cells: Annotated[list[CellCounts], Field(min_length=1)]
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

    def cell(self, corruption: str, severity: int) -> CellCounts | None:
        """The counts of one cell, or None where it was not run."""
        return next((c for c in self.cells if (c.corruption, c.severity) == (corruption, severity)), None)


def count(cells: Sequence[tuple[str, int]], outcomes: Outcomes) -> list[CellCounts]:
    """The sums that go into the result file: ``cells`` names the rows of the outcomes."""
    return [
        _cell(corruption, severity, rank) for (corruption, severity), rank in zip(cells, outcomes.rank, strict=True)
    ]


def _cell(corruption: str, severity: int, rank: NDArray[np.uint16]) -> CellCounts:
    wrong, wrong_top5 = wrong_in_top(rank, 1), wrong_in_top(rank, 5)
    return CellCounts(corruption=corruption, severity=severity, images=rank.size, wrong=wrong, wrong_top5=wrong_top5)


def write_result(
    settings: Settings,
    cells: Sequence[tuple[str, int]],
    outcomes: Outcomes,
    path: Path,
    attacked: tuple[AdversarialRecord, AttackOutcomes] | None = None,
) -> Result:
    """Writes the outcomes and then the result, each whole.

    Args:
        settings: what was run.
        cells: corruption and severity of each row of the outcomes.
        outcomes: what came out.
        path: where the result goes; the outcomes go beside it.
        attacked: what an adversary left, where one was let loose, in sum and image by image.

    Returns:
        The result.
    """
    record, by_image = attacked or (None, None)
    content = npz(vars(outcomes) | (by_image.arrays if by_image else {}))
    beside = path.with_suffix(".npz")
    atomic_write(beside, content, durable=True)
    unsealed = Result(
        **dict(settings),
        created=datetime.now(UTC).replace(microsecond=0),
        outcomes=OutcomesRecord(file=beside.name, sha256=hashlib.sha256(content).hexdigest()),
        cells=count(cells, outcomes),
        adversarial=record,
    )
    return write_sealed(unsealed, path)


def read_result(path: Path) -> Result:
    """Reads and checks a result file; one of an older schema is migrated.

    Raises:
        ResultError: there is no such file, it is too large, it is not a result, or it was changed after it was written;
            the message says where it departs.
    """
    if kind_of(path) == "sequences":
        raise ResultError(f"{path} is a result on sequences; a result on images is wanted here")
    return read_record(path, Result, f"a result of schema {SCHEMA_VERSION}", migrate=migrated)


def read_outcomes(path: Path, result: Result) -> Outcomes:
    """Reads the per-image outcomes that lie beside a result file.

    Args:
        path: the result file.
        result: what it holds.

    Raises:
        ResultError: the outcomes are missing, are not those that the result names, contradict themselves, or do not
            add up to its counts.
    """
    return _read_outcomes(path, result)[0]


def read_attack(path: Path, result: Result) -> AttackOutcomes | None:
    """Reads what became of every image under every attack; None where there was none, or where only counts were kept.

    Raises:
        ResultError: as ``read_outcomes``.
    """
    return _read_outcomes(path, result)[1] if result.adversarial and result.adversarial.by_image else None


def _read_outcomes(path: Path, result: Result) -> tuple[Outcomes, AttackOutcomes | None]:
    beside = path.parent / Path(result.outcomes.file).name
    content = sealed_content(beside, path, result.outcomes.sha256)
    record = result.adversarial if result.adversarial and result.adversarial.by_image else None
    arrays = arrays_from(content, [*OUTCOME_ARRAYS, *_attack_arrays(record)], str(beside))
    outcomes = Outcomes(**{name: arrays[name] for name in OUTCOME_ARRAYS})
    attacked = AttackOutcomes.from_arrays(arrays) if record else None
    departure = outcomes.departure(result.data.images, result.model.classes, len(result.cells))
    if attacked and record and not departure:
        departure = attacked.departure(len(record.rows), record.images)
    if departure:
        raise ResultError(f"the outcomes in {beside} cannot be those of {path}: {departure}")
    disagree = count(result.keys, outcomes) != result.cells
    if disagree or (attacked and record and recounted(record, attacked) != record):
        raise ResultError(f"the outcomes in {beside} do not add up to the counts in {path}")
    return outcomes, attacked


def _attack_arrays(record: AdversarialRecord | None) -> list[str]:
    return attack_arrays(gradients=record.gradients_by_image) if record else []
