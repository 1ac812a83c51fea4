"""Scores one shard of perturbation sequences."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.evaluation.inputs import Inputs
from stormbench.benchmarks.evaluation.model_task import ModelTask
from stormbench.benchmarks.evaluation.settings import released_name, suite_record
from stormbench.benchmarks.suites.sequences import SequenceSuite
from stormbench.cells import Cell, Pixels
from stormbench.datasets.on_disk.sequence_reader import open_released_sequences
from stormbench.datasets.on_the_fly import SequencePixels, SequencesOnTheFly
from stormbench.execution.shards import Shard
from stormbench.metrics.classification import top_classes
from stormbench.metrics.stability import TOP

# Verification recomputes shard by shard, because random defenses draw so: results depend on this number.
IMAGES_A_SHARD = 4


@dataclass
class SequenceTask(ModelTask):
    """Decodes each image of a shard once, makes all its sequences and asks the model; runs in a worker.

    Frames are made as the model takes them, so that memory holds one batch of them and not a sequence.

    Attributes:
        pixels: where the frames come from.
        cells: what to score, and how many frames each sequence must have.
        batch_size: frames that go through the model at once, also of several sequences.
    """

    pixels: SequencePixels
    cells: Sequence[tuple[Cell, int]]
    batch_size: int

    def __call__(self, shard: Shard) -> dict[str, NDArray[Any]]:
        """Returns ``top``, the best classes of each frame, shape ``(images of the shard, frames of all cells, 5)``."""
        sources = [self.pixels.source(self.images, index) for index in range(shard.start, shard.stop)]
        keys = self.images.keys[shard.start : shard.stop]
        return {"top": np.concatenate([self._cell(cell, sources, keys, shard) for cell in self.cells], axis=1)}

    def _cell(
        self, cell: tuple[Cell, int], sources: Sequence[Pixels], keys: Sequence[str], shard: Shard
    ) -> NDArray[np.uint16]:
        key, length = cell
        self.reseed(key, shard)
        sequences = (self.pixels.frames(source, *key, name) for source, name in zip(sources, keys, strict=True))
        frames = _batches(chain.from_iterable(sequences), self.batch_size)
        top = [_top(self.logits(np.stack(batch), key)) for batch in frames]
        return np.concatenate(top).reshape(len(keys), length, -1)


def _top(logits: NDArray[np.float32]) -> NDArray[np.uint16]:
    return top_classes(logits, min(TOP, logits.shape[1])).astype(np.uint16)


def _batches(frames: Iterable[Pixels], size: int) -> Iterator[list[Pixels]]:
    frames = iter(frames)
    while batch := list(islice(frames, size)):
        yield batch


def _pixels(
    suite: SequenceSuite, inputs: Inputs, seed: int, released: str | Path | None
) -> tuple[SequencePixels, str | None]:
    """Where the frames come from, and what the result calls that."""
    if released is None:
        return SequencesOnTheFly(suite.geometry, suite.scale, seed), None
    root = Path(released)
    pixels, manifest = open_released_sequences(root, inputs.sound, suite.scale, suite.cells)
    return pixels, released_name(root, manifest, suite_record(suite), inputs)
