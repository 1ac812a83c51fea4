"""Result files of runs with a chosen precision, which show each image in one cell at a time (``BlockPlan``).

Kept are the predictions in order of the passes. Which image and cell a pass showed is not kept but follows from the
images' keys, the cells and the seed, so that nobody can choose favourable ones.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from stormbench.benchmarks.results.arrays import arrays_from, sealed_content
from stormbench.benchmarks.results.documents import kind_of, read_record, write_sealed
from stormbench.benchmarks.results.images import CellCounts
from stormbench.benchmarks.results.records import Digest, PositiveCount, Record
from stormbench.benchmarks.results.settings import OutcomesRecord, Settings
from stormbench.cells import CLEAN, Cell
from stormbench.errors import ResultError
from stormbench.files import atomic_write, npz
from stormbench.metrics.block_plan import BlockPlan
from stormbench.metrics.classification import wrong_in_top
from stormbench.metrics.sequential import stopping_block


class PlanRecord(Record):
    """How far a run went, and what made it stop there.

    Attributes:
        version: of the plan's rules.
        figure: that was to be as precise as asked: ``"mce"`` or ``"mean_error"``.
        precision: the half-width in points that was asked for; None where only a number of passes was.
        budget: the most passes that were allowed; None for all of the full run.
        blocks: how many were run.
        bytes: digest of the bytes of every image that was used, in order of the passes.
    """

    version: Literal[1] = 1
    figure: Literal["mce", "mean_error"]
    precision: Annotated[float, Field(gt=0)] | None
    budget: PositiveCount | None
    blocks: PositiveCount
    bytes: Digest


class SampledResult(Settings):
    """One run: one model on some blocks of a plan over one data set under one suite.

    ``data.images`` counts all images of the plan, ``data.fingerprint`` covers their names and classes: only those that
    were used were read.

    Attributes:
        plan: how far the run went.
        cells: counts of the corrupted cells; each counts as many images as there are blocks.
        clean: counts of the images that were shown clean as well.
        seal: digest of everything else in the file.
    """

    kind: Literal["sample"] = "sample"
    schema_version: Literal[1] = 1
    created: datetime
    outcomes: OutcomesRecord
    plan: PlanRecord
    cells: Annotated[list[CellCounts], Field(min_length=1)]
    clean: CellCounts
    seal: Digest | None = None

    @model_validator(mode="after")
    def _counts_fit_the_plan(self) -> "SampledResult":
        if len(set(self.keys)) < len(self.keys) or any(cell.corruption == CLEAN for cell in self.cells):
            raise ValueError("a cell stands twice, or clean images stand among the corrupted ones")
        if self.plan.blocks > self.data.images:
            raise ValueError(f"{self.plan.blocks} blocks of a plan that has {self.data.images}")
        if any(cell.images != self.plan.blocks for cell in self.cells):
            raise ValueError(f"a cell does not count {self.plan.blocks} images")
        return self

    @property
    def keys(self) -> list[Cell]:
        """Corruption and severity of each cell, in order."""
        return [(cell.corruption, cell.severity) for cell in self.cells]

    @property
    def passes(self) -> int:
        """Forward passes on corrupted images."""
        return self.plan.blocks * len(self.cells)


@dataclass(frozen=True)
class SampledOutcomes:
    """What the model said, pass by pass.

    Attributes:
        keys: identity of each image of the plan, used or not, shape ``(images,)``.
        labels: class of each in the model's index space, shape ``(images,)``.
        prediction: the class the model put first, shape ``(passes,)``.
        rank: how many classes the model put before the true one, shape ``(passes,)``.
        clean_prediction: the same of the images that were shown clean, in the order of the passes that brought them.
        clean_rank: likewise.
    """

    keys: NDArray[np.str_]
    labels: NDArray[np.int64]
    prediction: NDArray[np.int32]
    rank: NDArray[np.uint16]
    clean_prediction: NDArray[np.int32]
    clean_rank: NDArray[np.uint16]


_ARRAYS = [field.name for field in fields(SampledOutcomes)]


def plan_of(images: Sequence[str], cells: Sequence[Cell], seed: int) -> BlockPlan:
    """The plan of a run: it depends on the names of the images and cells and on the seed alone."""
    return BlockPlan.of(images, [f"{corruption}/{severity}" for corruption, severity in cells], seed)


@dataclass(frozen=True)
class Sample:
    """A stored run with a chosen precision.

    Attributes:
        path: the result file.
        result: what it holds.
        outcomes: what lies beside it.
    """

    path: Path
    result: SampledResult
    outcomes: SampledOutcomes

    @cached_property
    def plan(self) -> BlockPlan:
        """Which image was shown in which cell."""
        return plan_of(self.outcomes.keys.tolist(), self.result.keys, self.result.seed)

    @cached_property
    def shown(self) -> NDArray[np.int64]:
        """The image in each cell of each block, shape ``(blocks, cells)``."""
        return self.plan.images_by_cell(self.result.plan.blocks)

    def wrong(self, top: int = 1) -> NDArray[np.bool_]:
        """Whether the model erred, in the best one or the best five classes, shape ``(blocks, cells)``."""
        return self.plan.by_cell(self.outcomes.rank >= top)

    def stop_by_rule(self, weights: NDArray[np.float64]) -> int:
        """After how many blocks the run had to stop by its precision and budget; any other number was chosen.

        Args:
            weights: of the cells in the figure.
        """
        record, images = self.result.plan, self.result.data.images
        found = None
        if record.precision is not None:
            found = stopping_block(self.wrong(), self.shown, weights, images, record.precision)
        by_budget = images if record.budget is None else min(images, record.budget // len(self.result.cells))
        return by_budget if found is None else found

    @classmethod
    def open(cls, path: Path) -> "Sample":
        """Reads and checks a result and its outcomes.

        Raises:
            ResultError: there is no such result, it was changed after it was written, or its outcomes are missing or
                contradict it.
        """
        result = _read_result(path)
        beside = path.parent / Path(result.outcomes.file).name
        arrays = arrays_from(sealed_content(beside, path, result.outcomes.sha256), _ARRAYS, str(beside))
        sample = cls(path, result, SampledOutcomes(**{name: arrays[name] for name in _ARRAYS}))
        if departure := _departure(sample):
            raise ResultError(f"the outcomes in {beside} cannot be those of {path}: {departure}")
        if (counts(sample.plan, result.keys, sample.outcomes)) != (result.cells, result.clean):
            raise ResultError(f"the outcomes in {beside} do not add up to the counts in {path}")
        return sample


def is_sample(path: Path) -> bool:
    """Whether a file says of itself that it is a run with a chosen precision."""
    return kind_of(path) == "sample"


def _read_result(path: Path) -> SampledResult:
    result = read_record(path, SampledResult, "a result of a run with a chosen precision")
    if result.seal is None:
        raise ResultError(f"{path} has no seal; score the model anew")
    return result


def _departure(sample: Sample) -> str | None:
    """What is impossible about the outcomes; None where nothing is."""
    result, outcomes = sample.result, sample.outcomes
    images, passes, clean = result.data.images, result.passes, result.clean.images
    shapes = {"keys": images, "labels": images, "prediction": passes, "rank": passes}
    for name, size in (shapes | {"clean_prediction": clean, "clean_rank": clean}).items():
        array: NDArray[Any] = getattr(outcomes, name)
        if array.shape != (size,) or array.dtype.kind not in ("U" if name == "keys" else "iu"):
            return f"{name} has shape {array.shape} and type {array.dtype}, not shape {(size,)}"
        if name != "keys" and not 0 <= int(array.min()) <= int(array.max()) < result.model.classes:
            return f"{name} must lie in 0..{result.model.classes - 1}, got {array.min()}..{array.max()}"
    if len(np.unique(outcomes.keys)) < images:
        return "two images have the same key"
    image, _ = sample.plan.passes(0, passes)
    with_clean = sample.plan.shown_clean(0, passes)
    if with_clean.sum() != clean:
        return f"{clean} images were shown clean, the plan has {with_clean.sum()}"
    labels = outcomes.labels[image]
    right = (outcomes.rank == 0) == (outcomes.prediction == labels)
    clean_right = (outcomes.clean_rank == 0) == (outcomes.clean_prediction == labels[with_clean])
    if not (right.all() and clean_right.all()):
        return "a rank contradicts its prediction: the true class has rank 0 exactly where it was predicted"
    return None


def counts(plan: BlockPlan, cells: Sequence[Cell], outcomes: SampledOutcomes) -> tuple[list[CellCounts], CellCounts]:
    """The sums that go into the result file: of the corrupted cells, and of the clean images."""
    ranks = plan.by_cell(outcomes.rank)
    corrupted = [_counts(cell, ranks[:, index]) for index, cell in enumerate(cells)]
    return corrupted, _counts((CLEAN, 0), outcomes.clean_rank)


def _counts(cell: Cell, rank: NDArray[np.uint16]) -> CellCounts:
    wrong, wrong_top5 = wrong_in_top(rank, 1), wrong_in_top(rank, 5)
    return CellCounts(corruption=cell[0], severity=cell[1], images=rank.size, wrong=wrong, wrong_top5=wrong_top5)


def write_sample(
    settings: Settings, cells: Sequence[Cell], record: PlanRecord, outcomes: SampledOutcomes, path: Path
) -> Sample:
    """Writes the outcomes and then the result, each whole; an earlier result of fewer blocks stays valid until then.

    Args:
        settings: what was run.
        cells: the corrupted cells, in order.
        record: how far.
        outcomes: what came out.
        path: where the result goes; the outcomes go beside it, under a name with the number of blocks.
    """
    content = npz(vars(outcomes))
    beside = path.with_name(f"{path.stem}.{record.blocks}.npz")
    atomic_write(beside, content, durable=True)
    corrupted, clean = counts(plan_of(outcomes.keys.tolist(), cells, settings.seed), cells, outcomes)
    unsealed = SampledResult(
        **dict(settings),
        created=datetime.now(UTC).replace(microsecond=0),
        outcomes=OutcomesRecord(file=beside.name, sha256=hashlib.sha256(content).hexdigest()),
        plan=record,
        cells=corrupted,
        clean=clean,
    )
    before = path.parent / Path(_read_result(path).outcomes.file).name if path.exists() else beside
    result = write_sealed(unsealed, path)
    if before != beside:
        before.unlink(missing_ok=True)
    return Sample(path, result, outcomes)
