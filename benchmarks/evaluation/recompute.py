"""Recomputes one (shard, cell) of a stored result at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.evaluation.image_task import ImageTask
from stormbench.benchmarks.evaluation.inputs import defended
from stormbench.benchmarks.evaluation.settings import inference_of
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.images import Result, read_outcomes
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.settings import Settings
from stormbench.cells import CLEAN
from stormbench.datasets import ImageSet, match_classes
from stormbench.datasets.on_disk.image_reader import open_released
from stormbench.datasets.on_the_fly import CellPixels, OnTheFly
from stormbench.errors import ResultError
from stormbench.execution.shards import Shard, split

Released = str | Path | None


@dataclass(frozen=True)
class Claims:
    """A result as something that can be recomputed in pieces: one cell of one shard at a time.

    That is the least that can be recomputed where a random defense draws shard by shard.

    Attributes:
        shards: of the run.
        frames: predictions for each image, by cell; 1 but for sequences.
        held: recomputes a cell of a shard; true where the prediction is the one that the result claims.
    """

    shards: list[Shard]
    frames: list[int]
    held: Callable[[Shard, int], NDArray[np.bool_]]


def image_claims(path: Path, result: Result, model: Model, images: ImageSet, released: Released, device: str) -> Claims:
    """The claims of a result on images; those of an attack are its clean predictions.

    Raises:
        ResultError: the outcomes are broken, or the result is of released files and none are given, or the reverse.
    """
    outcomes = read_outcomes(path, result)
    task = ImageTask(
        build=partial(defended, model, result.defense.spec if result.defense else None),
        images=images,
        labels=match_classes(images, model.num_classes),
        pixels=_pixels(path, result, images, released),
        cells=[],
        seed=result.seed,
        device=device,
        inference=inference_of(result),
    )

    def held(shard: Shard, cell: int) -> NDArray[np.bool_]:
        task.cells = [result.keys[cell]]
        claimed = outcomes.prediction[cell, shard.start : shard.stop]
        return np.asarray(task(shard)["prediction"][0] == claimed)

    return Claims(split(result.data.images, result.batch_size), [1] * len(result.cells), held)


def _pixels(path: Path, result: Result, images: ImageSet, released: Released) -> CellPixels:
    suite = result.suite
    check_source(path, result, released)
    if released is None:
        return OnTheFly(suite.geometry, suite.scale, suite.jpeg_quality, result.seed)
    cells = [key for key in result.keys if key[0] != CLEAN]
    return open_released(Path(released), images, suite.geometry, cells)[0]


def check_source(path: Path, result: Settings, released: Released) -> None:
    """Refuses released files for a result that was made on the fly, and the reverse.

    Raises:
        ResultError: the message says how the result was scored.
    """
    claimed = result.data.released
    if (released is None) != (claimed is None):
        scored = f"on released files ({shown(claimed)}): say where they are" if claimed else "on images made on the fly"
        raise ResultError(f"{path} was scored {scored}")
