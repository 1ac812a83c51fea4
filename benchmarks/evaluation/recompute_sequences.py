"""Recomputes one (shard, cell) of a stored sequence result at a time."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.evaluation.inputs import defended
from stormbench.benchmarks.evaluation.recompute import Claims, Released, check_source
from stormbench.benchmarks.evaluation.sequence_task import IMAGES_A_SHARD, SequenceTask
from stormbench.benchmarks.evaluation.settings import inference_of
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.sequences import SequenceResult, read_sequence_outcomes
from stormbench.datasets import ImageSet
from stormbench.datasets.on_disk.sequence_reader import open_released_sequences
from stormbench.datasets.on_the_fly import SequencePixels, SequencesOnTheFly
from stormbench.execution.shards import Shard, split


def sequence_claims(
    path: Path, result: SequenceResult, model: Model, images: ImageSet, released: Released, device: str
) -> Claims:
    """The claims of a result on sequences; a frame holds where all of its best classes are the claimed ones, in order.

    Raises:
        ResultError: the outcomes are broken, or the result is of released files and none are given, or the reverse.
    """
    outcomes = read_sequence_outcomes(path, result)
    task = SequenceTask(
        build=partial(defended, model, result.defense.spec if result.defense else None),
        images=images,
        seed=result.seed,
        device=device,
        inference=inference_of(result),
        pixels=_pixels(path, result, images, released),
        cells=[],
        batch_size=result.batch_size,
    )

    def held(shard: Shard, cell: int) -> NDArray[np.bool_]:
        task.cells = [(result.keys[cell], result.cells[cell].frames)]
        claimed = outcomes.cell(result.cells, cell)[shard.start : shard.stop]
        return np.asarray((task(shard)["top"] == claimed).all(axis=-1))

    shards = split(result.data.images, IMAGES_A_SHARD)
    return Claims(shards, [cell.frames for cell in result.cells], held)


def _pixels(path: Path, result: SequenceResult, images: ImageSet, released: Released) -> SequencePixels:
    suite = result.suite
    check_source(path, result, released)
    if released is None:
        return SequencesOnTheFly(suite.geometry, suite.scale, result.seed)
    return open_released_sequences(Path(released), images, suite.scale, result.keys)[0]
