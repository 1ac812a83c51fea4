"""Recomputes one (shard, cell) of a stored result at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.evaluation.image_task import ImageTask, open_pixels
from stormbench.benchmarks.evaluation.inputs import defended
from stormbench.benchmarks.evaluation.sequence_task import SequenceTask, open_sequences
from stormbench.benchmarks.evaluation.settings import inference_of
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.run import ImageRun, Run, SequenceRun
from stormbench.cells import CLEAN
from stormbench.datasets import ImageSet, match_classes
from stormbench.errors import ResultError
from stormbench.execution.shards import Shard

Released = str | Path | None


@dataclass(frozen=True)
class Recomputation:
    """A stored result as something that can be recomputed in pieces: one cell of one shard at a time.

    That is the least that can be recomputed where a random defense draws shard by shard.

    Attributes:
        shards: of the run.
        frames: predictions for each image, by cell; 1 but for sequences.
        agrees: recomputes a cell of a shard; true where the prediction is the stored one.
    """

    shards: list[Shard]
    frames: list[int]
    agrees: Callable[[Shard, int], NDArray[np.bool_]]


def recomputation(
    run: ImageRun | SequenceRun, model: Model, images: ImageSet, released: Released, device: str
) -> Recomputation:
    """Prepares to recompute a result; of an attacked one, its clean predictions.

    Raises:
        ResultError: the outcomes are broken, or the result is of released files and none are given, or the reverse.
    """
    _check_source(run, released)
    return (_of_sequences if isinstance(run, SequenceRun) else _of_images)(run, model, images, released, device)  # type: ignore[arg-type]


def _of_images(run: ImageRun, model: Model, images: ImageSet, released: Released, device: str) -> Recomputation:
    result, stored = run.result, run.outcomes.prediction
    corrupted = [key for key in run.cells if key[0] != CLEAN]
    task = ImageTask(
        build=partial(defended, model, result.defense.spec if result.defense else None),
        images=images,
        seed=result.seed,
        device=device,
        batch_size=result.batch_size,
        inference=inference_of(result),
        labels=match_classes(images, model.num_classes),
        pixels=open_pixels(result.suite, corrupted, images, result.seed, released)[0],
        cells=[],
    )

    def agrees(shard: Shard, cell: int) -> NDArray[np.bool_]:
        task.cells = [run.cells[cell]]
        return np.asarray(task(shard)["prediction"][0] == stored[cell, shard.start : shard.stop])

    return Recomputation(task.shards, [1] * len(run.cells), agrees)


def _of_sequences(run: SequenceRun, model: Model, images: ImageSet, released: Released, device: str) -> Recomputation:
    """A frame agrees where all of its best classes are the stored ones, in order."""
    result, outcomes = run.result, run.outcomes
    task = SequenceTask(
        build=partial(defended, model, result.defense.spec if result.defense else None),
        images=images,
        seed=result.seed,
        device=device,
        batch_size=result.batch_size,
        inference=inference_of(result),
        labels=match_classes(images, model.num_classes),
        pixels=open_sequences(result.suite, run.cells, images, result.seed, released)[0],
        cells=[],
    )

    def agrees(shard: Shard, cell: int) -> NDArray[np.bool_]:
        task.cells = [(run.cells[cell], result.cells[cell].frames)]
        stored = outcomes.cell(result.cells, cell)[shard.start : shard.stop]
        return np.asarray((task(shard)["top"] == stored).all(axis=-1))

    return Recomputation(task.shards, [cell.frames for cell in result.cells], agrees)


def _check_source(run: Run, released: Released) -> None:
    """Refuses released files for a result that was made on the fly, and the reverse."""
    stored = run.result.data.released
    if (released is None) != (stored is None):
        scored = f"on released files ({shown(stored)}): say where they are" if stored else "on images made on the fly"
        raise ResultError(f"{run.path} was scored {scored}")
