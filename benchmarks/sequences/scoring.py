"""Scores a model on sequences: every image of a data set, in every cell of a suite, frame by frame."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.models.loading import Model
from stormbench.benchmarks.runs import (
    Inputs,
    defended,
    kept_or_run,
    open_inputs,
    released_name,
    settings_of,
    suite_record,
    threads_restored,
)
from stormbench.benchmarks.score_shard import ModelTask
from stormbench.benchmarks.sequences.results import (
    CellKey,
    SequenceOutcomes,
    SequenceResult,
    read_sequence_result,
    write_sequence_result,
)
from stormbench.benchmarks.sequences.suites import SEQUENCE_SUITES, SequenceSuite
from stormbench.benchmarks.shards import Journal, Shard, split, work_off
from stormbench.benchmarks.survey import Progress
from stormbench.datasets import ImageSet
from stormbench.datasets.released_sequences import open_released_sequences
from stormbench.datasets.sequences import Pixels, SequencePixels, SequencesOnTheFly
from stormbench.metrics.classification import top_classes
from stormbench.metrics.stability import TOP
from stormbench.parallel import Workers

# Verification recomputes shard by shard, because random defenses draw so: results depend on this number.
IMAGES_A_SHARD = 4


@dataclass
class SequenceShard(ModelTask):
    """Decodes each image of a shard once, makes all its sequences and asks the model; runs in a worker.

    Frames are made as the model takes them, so that memory holds one batch of them and not a sequence.

    Attributes:
        pixels: where the frames come from.
        cells: what to score, and how many frames each sequence must have.
        batch_size: frames that go through the model at once, also of several sequences.
    """

    pixels: SequencePixels
    cells: Sequence[tuple[CellKey, int]]
    batch_size: int

    def __call__(self, shard: Shard) -> dict[str, NDArray[Any]]:
        """Returns ``top``, the best classes of each frame, shape ``(images of the shard, frames of all cells, 5)``."""
        sources = [self.pixels.source(self.images, index) for index in range(shard.start, shard.stop)]
        keys = self.images.keys[shard.start : shard.stop]
        return {"top": np.concatenate([self._cell(cell, sources, keys, shard) for cell in self.cells], axis=1)}

    def _cell(
        self, cell: tuple[CellKey, int], sources: Sequence[Pixels], keys: Sequence[str], shard: Shard
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


def score_sequences(
    model: str | Model,
    data: str | Path | ImageSet,
    suite: str | SequenceSuite = "imagenet-p",
    *,
    out: str | Path,
    name: str | None = None,
    defense: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    workers: Workers = 0,
    batch_size: int = 32,
    device: str = "cpu",
    skip_broken: bool = False,
    released: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[Path, SequenceResult]:
    """Scores a model on the sequences of a suite, and continues where an earlier try was interrupted.

    Args:
        model: a loaded model, or how to load one (``load_model``).
        data: a data set, or where it is (``open_images``).
        suite: a suite or its name; ``SequenceSuite.narrowed`` chooses cells.
        out: folder for the result.
        name: the run's name; by default made of the model's, the suite's, the data's and the defense's.
        defense: specification of a defense in front of the model.
        limit: only the first so many images.
        seed: seed of all sequences and of the defense.
        workers: number of worker processes, 0 scores in this one; or a cluster.
        batch_size: frames that go through the model at once.
        device: where the model runs.
        skip_broken: leave out images that cannot be decoded, and record which.
        released: folder of a generated or published set of sequences to read, instead of making them.
        progress: called with the number of images done and the number of all.

    Returns:
        The path of the result file, and the result. A finished result with the same settings is returned as it is.

    Raises:
        StormbenchError: see ``stormbench.errors``; whatever was finished is kept.
    """
    suite = SEQUENCE_SUITES[suite] if isinstance(suite, str) else suite
    inputs = open_inputs(model, data, defense, limit=limit, device=device, workers=workers, skip_broken=skip_broken)
    pixels, released_as = _pixels(suite, inputs, seed, released)
    task = SequenceShard(
        build=partial(defended, inputs.model, defense),
        images=inputs.sound,
        seed=seed,
        device=device,
        pixels=pixels,
        cells=[(cell, suite.frames(cell[0])) for cell in suite.cells],
        batch_size=batch_size,
    )
    settings = settings_of(
        inputs,
        suite_record(suite),
        name=name,
        defense=defense,
        seed=seed,
        batch_size=batch_size,
        released=released_as,
    )
    path = Path(out) / f"{settings.run}.json"
    labels = inputs.labels

    def run(journal: Journal) -> SequenceResult:
        shards = split(len(inputs.sound), IMAGES_A_SHARD)
        with threads_restored():
            work_off(task, journal, shards, workers=workers, progress=progress)
        top = np.concatenate([journal.read(shard.index)["top"] for shard in shards])
        outcomes = SequenceOutcomes(np.array(inputs.sound.keys, dtype=np.str_), labels, top)
        return write_sequence_result(settings, task.cells, outcomes, path)

    return path, kept_or_run(path, settings, suite.cells, read=read_sequence_result, run=run)


def _pixels(
    suite: SequenceSuite, inputs: Inputs, seed: int, released: str | Path | None
) -> tuple[SequencePixels, str | None]:
    """Where the frames come from, and what the result calls that."""
    if released is None:
        return SequencesOnTheFly(suite.geometry, suite.scale, seed), None
    root = Path(released)
    pixels, manifest = open_released_sequences(root, inputs.sound, suite.scale, suite.cells)
    return pixels, released_name(root, manifest, suite_record(suite), inputs)
