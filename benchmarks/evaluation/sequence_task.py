"""Scores one shard of perturbation sequences."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.evaluation.inputs import Inputs, defended
from stormbench.benchmarks.evaluation.model_task import ModelTask
from stormbench.benchmarks.evaluation.options import RunOptions
from stormbench.benchmarks.evaluation.settings import released_name, suite_record
from stormbench.benchmarks.results.run import SequenceRun
from stormbench.benchmarks.results.sequences import SequenceOutcomes, write_sequence_result
from stormbench.benchmarks.results.settings import Settings, SuiteRecord
from stormbench.benchmarks.suites.sequences import SequenceSuite
from stormbench.cells import Cell, Pixels
from stormbench.datasets import ImageSet
from stormbench.datasets.on_disk.manifest import Manifest
from stormbench.datasets.on_disk.sequence_reader import open_released_sequences
from stormbench.datasets.on_the_fly import SequencePixels, SequencesOnTheFly
from stormbench.execution.journal import Journal
from stormbench.execution.shards import Shard, split
from stormbench.metrics.classification import top_classes
from stormbench.metrics.stability import TOP

Item = TypeVar("Item")

# Verification recomputes shard by shard, because random defenses draw so: results depend on this number.
IMAGES_A_SHARD = 4


@dataclass
class SequenceTask(ModelTask):
    """Decodes each image of a shard once, makes all its sequences and asks the model; runs in a worker.

    Frames are made as the model takes them, so that memory holds one batch of them and not a sequence.

    Attributes:
        labels: each image's class in the model's index space.
        pixels: where the frames come from.
        cells: what to score, and how many frames each sequence must have.
    """

    labels: NDArray[np.int64]
    pixels: SequencePixels
    cells: Sequence[tuple[Cell, int]]

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
        named = _batches((f"{name}, frame {frame + 1}" for name in keys for frame in range(length)), self.batch_size)
        top = [_top(self.logits(np.stack(batch), names, key)) for batch, names in zip(frames, named, strict=True)]
        return np.concatenate(top).reshape(len(keys), length, -1)

    @classmethod
    def of(cls, suite: SequenceSuite, inputs: Inputs, options: RunOptions) -> tuple["SequenceTask", str | None]:
        """The task of a run, and what the result calls the set that the frames are read from."""
        record, released = suite_record(suite), options.released
        pixels, manifest = open_sequences(record, suite.cells, inputs.sound, options.seed, released)
        task = cls(
            build=partial(defended, inputs.model, options.defense),
            images=inputs.sound,
            seed=options.seed,
            device=options.device,
            batch_size=options.batch_size,
            inference=options.inference,
            labels=inputs.labels,
            pixels=pixels,
            cells=[(cell, suite.frames(cell[0])) for cell in suite.cells],
        )
        return task, None if released is None else released_name(Path(released), manifest, record, inputs)

    @property
    def keys(self) -> list[Cell]:
        """What a result counts, in order."""
        return [key for key, _ in self.cells]

    @property
    def shards(self) -> list[Shard]:
        """Of the run."""
        return split(len(self.images), IMAGES_A_SHARD)

    def stored(self, settings: Settings, journal: Journal, path: Path) -> SequenceRun:
        """Joins the outcomes of all shards and writes the result."""
        top = np.concatenate([journal.read(shard.index)["top"] for shard in self.shards])
        outcomes = SequenceOutcomes(np.array(self.images.keys, dtype=np.str_), self.labels, top)
        return SequenceRun(path, write_sequence_result(settings, self.cells, outcomes, path))


def _top(logits: NDArray[np.float32]) -> NDArray[np.uint16]:
    return top_classes(logits, min(TOP, logits.shape[1])).astype(np.uint16)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def open_sequences(
    suite: SuiteRecord, cells: Sequence[Cell], images: ImageSet, seed: int, released: str | Path | None
) -> tuple[SequencePixels, Manifest | None]:
    """Where the frames come from, and the manifest of the set on disk, if that is where and it has one."""
    if released is None:
        return SequencesOnTheFly(suite.geometry, suite.scale, seed), None
    return open_released_sequences(Path(released), images, suite.scale, list(cells))
