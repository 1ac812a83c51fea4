"""What a run on sequences leaves behind: counts of flips, and beside them the best five classes of every frame.

The rules of results on images hold (``stormbench.benchmarks.results.images``): counts and no percentages, sealed,
read as data from a stranger.
"""

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
from stormbench.benchmarks.results.documents import read_record, write_sealed
from stormbench.benchmarks.results.records import Count, Digest, Moment, PositiveCount, Record, Text
from stormbench.benchmarks.results.settings import OutcomesRecord, Settings
from stormbench.cells import Cell
from stormbench.corruptions.perturbations import PERTURBATIONS
from stormbench.errors import ResultError
from stormbench.files import atomic_write, npz
from stormbench.metrics.stability import TOP, sequence_flip_probabilities, sequence_top5_distances


class SequenceCell(Record):
    """The counts of one perturbation at one level, over all pairs of frames that are compared.

    Attributes:
        perturbation: what was done.
        level: 1, or up to 3 for noise.
        images: number of sequences.
        frames: length of each.
        flips: pairs whose predictions differ.
        distance: sum of the pairs' top-5 distances; None for models of fewer than five classes.
    """

    perturbation: Text
    level: Annotated[int, Field(ge=1, le=3)]
    images: PositiveCount
    frames: Annotated[int, Field(ge=2, le=1000)]
    flips: Count
    distance: Annotated[int, Field(ge=0, le=2**40)] | None

    @model_validator(mode="after")
    def _counts_add_up(self) -> "SequenceCell":
        if self.flips > self.pairs or (self.distance or 0) > 15 * self.pairs:
            raise ValueError(f"{self.flips} flips and a distance of {self.distance} in {self.pairs} pairs")
        return self

    @property
    def pairs(self) -> int:
        """How many pairs of frames were compared."""
        return self.images * (self.frames - 1)

    @property
    def flip_probability(self) -> float:
        """In 0..1."""
        return self.flips / self.pairs

    @property
    def top5_distance(self) -> float | None:
        """In 0..15."""
        return None if self.distance is None else self.distance / self.pairs


class SequenceResult(Settings):
    """One run: one model, bare or defended, on sequences of one data set under one suite."""

    kind: Literal["sequences"] = "sequences"
    schema_version: Literal[1] = 1
    created: Moment
    outcomes: OutcomesRecord
    cells: Annotated[list[SequenceCell], Field(min_length=1)]
    seal: Digest | None = None

    @model_validator(mode="after")
    def _cells_agree(self) -> "SequenceResult":
        if len({(cell.perturbation, cell.level) for cell in self.cells}) < len(self.cells):
            raise ValueError("a cell stands twice")
        if any(cell.images != self.data.images for cell in self.cells):
            raise ValueError(f"a cell does not count {self.data.images} images")
        if unknown := [cell.perturbation for cell in self.cells if cell.perturbation not in PERTURBATIONS]:
            raise ValueError(f"there is no perturbation named {unknown[0]!r}")
        return self

    @property
    def keys(self) -> list[Cell]:
        """Perturbation and level of each cell."""
        return [(cell.perturbation, cell.level) for cell in self.cells]


@dataclass(frozen=True)
class SequenceOutcomes:
    """What the model said, frame by frame.

    Attributes:
        keys: each image's identity, shape ``(images,)``.
        labels: each image's class in the model's index space, shape ``(images,)``.
        top: the best classes of each frame, best first, shape ``(images, frames, 5)``; the frames of all cells one
            after the other, in the order of the result's. Models of fewer than five classes have fewer.
    """

    keys: NDArray[np.str_]
    labels: NDArray[np.int64]
    top: NDArray[np.integer[Any]]

    def cell(self, cells: Sequence[SequenceCell], index: int) -> NDArray[np.integer[Any]]:
        """The best classes of one cell, shape ``(images, frames, 5)``."""
        start = sum(cell.frames for cell in cells[:index])
        return self.top[:, start : start + cells[index].frames]


def flips_and_distances(
    top: NDArray[np.integer[Any]], perturbation: str
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Flip probability and top-5 distance of each sequence of a cell; None where there are fewer than five classes."""
    reference = PERTURBATIONS[perturbation].reference
    flips = sequence_flip_probabilities(top[:, :, 0], reference=reference)
    return flips, sequence_top5_distances(top, reference=reference) if top.shape[2] == TOP else None


def count(cells: Sequence[tuple[Cell, int]], outcomes: SequenceOutcomes) -> list[SequenceCell]:
    """The sums that go into the result file.

    Args:
        cells: for each cell its perturbation and level, and the frames of its sequences.
        outcomes: of all cells.
    """
    counted, start = [], 0
    for (perturbation, level), frames in cells:
        flips, distances = flips_and_distances(outcomes.top[:, start : start + frames], perturbation)
        pairs = frames - 1
        counted.append(
            SequenceCell(
                perturbation=perturbation,
                level=level,
                images=len(outcomes.keys),
                frames=frames,
                flips=int(np.rint(flips * pairs).sum()),
                distance=None if distances is None else int(np.rint(distances * pairs).sum()),
            )
        )
        start += frames
    return counted


def write_sequence_result(
    settings: Settings, cells: Sequence[tuple[Cell, int]], outcomes: SequenceOutcomes, path: Path
) -> SequenceResult:
    """Writes the outcomes and then the result, each whole.

    Args:
        settings: what was run.
        cells: for each cell its perturbation and level, and the frames of its sequences.
        outcomes: what came out.
        path: where the result goes; the outcomes go beside it.
    """
    content = npz(vars(outcomes))
    beside = path.with_suffix(".npz")
    atomic_write(beside, content, durable=True)
    unsealed = SequenceResult(
        **dict(settings),
        created=datetime.now(UTC).replace(microsecond=0),
        outcomes=OutcomesRecord(file=beside.name, sha256=hashlib.sha256(content).hexdigest()),
        cells=count(cells, outcomes),
    )
    return write_sealed(unsealed, path)


def read_sequence_result(path: Path) -> SequenceResult:
    """Reads and checks a result file.

    Raises:
        ResultError: there is no such file, it is too large, it is no result on sequences, or it was changed after it
            was written; the message says where it departs.
    """
    return read_record(path, SequenceResult, "a result on sequences")


def read_sequence_outcomes(path: Path, result: SequenceResult) -> SequenceOutcomes:
    """Reads the outcomes that lie beside a result file.

    Raises:
        ResultError: they are missing, are not those that the result names, or do not add up to its counts.
    """
    beside = path.parent / Path(result.outcomes.file).name
    content = sealed_content(beside, path, result.outcomes.sha256)
    outcomes = SequenceOutcomes(**arrays_from(content, [field.name for field in fields(SequenceOutcomes)], str(beside)))
    frames = sum(cell.frames for cell in result.cells)
    images, classes = result.data.images, result.model.classes
    impossible = f"the outcomes in {beside} cannot be those of {path}"
    wanted = {"keys": (images,), "labels": (images,), "top": (images, frames, min(TOP, classes))}
    for name, shape in wanted.items():
        if (found := getattr(outcomes, name).shape) != shape:
            raise ResultError(f"{impossible}: {name} has shape {found}, not {shape}")
    if outcomes.keys.dtype.kind != "U" or len(np.unique(outcomes.keys)) < images:
        raise ResultError(f"{impossible}: keys are texts, each of them once")
    if outcomes.top.dtype.kind not in "iu" or not 0 <= int(outcomes.top.min()) <= int(outcomes.top.max()) < classes:
        raise ResultError(f"{impossible}: classes must lie in 0..{classes - 1}")
    cells = [(key, cell.frames) for key, cell in zip(result.keys, result.cells, strict=True)]
    if count(cells, outcomes) != result.cells:
        raise ResultError(f"the outcomes in {beside} do not add up to the counts in {path}")
    return outcomes
