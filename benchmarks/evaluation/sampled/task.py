"""Scores one block of a plan: every pass shows its own image in its own cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.evaluation.image_task import stacked
from stormbench.benchmarks.evaluation.model_task import ModelTask
from stormbench.cells import CLEAN, Cell, Pixels
from stormbench.datasets.on_the_fly import CellPixels
from stormbench.execution.shards import Shard
from stormbench.execution.timing import spent_on
from stormbench.metrics.block_plan import BlockPlan
from stormbench.metrics.classification import predict, rank_of_label

Answers = tuple[NDArray[np.int32], NDArray[np.uint16]]


@dataclass
class SampleTask(ModelTask):
    """Decodes the images of a block, makes one cell of each and asks the model; runs in a worker.

    The pixels are those of a full run, because they depend on the seed, the cell and the image's key alone. The model
    sees other batches than in a full run, which can change a prediction at a near-tie of two classes only.

    Attributes:
        labels: each image's class in the model's index space.
        pixels: where the pixels of a cell come from.
        plan: which image is shown in which cell.
        cells: what the plan's cells are.
    """

    labels: NDArray[np.int64]
    pixels: CellPixels
    plan: BlockPlan
    cells: Sequence[Cell]

    def __call__(self, block: Shard) -> dict[str, NDArray[Any]]:
        """Returns ``prediction`` and ``rank`` of the passes and of the clean images, and each image's ``digest``."""
        images, at = self.plan.passes(block.start, block.stop)
        cells: list[Cell] = [self.cells[index] for index in at.tolist()]
        with spent_on("decode"):
            clean = [self.pixels.clean(self.images.read(index)) for index in images.tolist()]
        corrupted = [
            self.pixels.corrupted(image, *cell, self.images.keys[index])
            for image, cell, index in zip(clean, cells, images.tolist(), strict=True)
        ]
        prediction, rank = self._answers(corrupted, images, cells)
        with_clean = np.flatnonzero(self.plan.shown_clean(block.start, block.stop))
        shown_clean = [clean[index] for index in with_clean.tolist()]
        clean_prediction, clean_rank = self._answers(shown_clean, images[with_clean], [(CLEAN, 0)] * len(shown_clean))
        return {
            "prediction": prediction,
            "rank": rank,
            "clean_prediction": clean_prediction,
            "clean_rank": clean_rank,
            "digest": np.array([self.images.digest(index) for index in images.tolist()], dtype=np.str_),
        }

    def _answers(self, shown: Sequence[Pixels], images: NDArray[np.int64], cells: Sequence[Cell]) -> Answers:
        """The model's predictions and ranks, in batches; an error names the image and its cell."""
        predictions, ranks = [np.empty(0, np.int32)], [np.empty(0, np.uint16)]
        for start in range(0, len(shown), self.batch_size):
            part = slice(start, start + self.batch_size)
            keys = [self.images.keys[index] for index in images[part].tolist()]
            names = [f"{key} ({cell[0]}, severity {cell[1]})" for key, cell in zip(keys, cells[part], strict=True)]
            logits = self.logits(stacked(shown[part], self.images.name), names)
            predictions.append(predict(logits).astype(np.int32))
            ranks.append(rank_of_label(logits, self.labels[images[part]]).astype(np.uint16))
        return np.concatenate(predictions), np.concatenate(ranks)
