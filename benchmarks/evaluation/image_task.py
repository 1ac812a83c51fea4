"""Scores one shard of images: decode once, make all cells, ask the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.evaluation.inputs import Inputs, defended
from stormbench.benchmarks.evaluation.model_task import ModelTask
from stormbench.benchmarks.evaluation.options import RunOptions
from stormbench.benchmarks.evaluation.settings import released_name, suite_record
from stormbench.benchmarks.results.images import Outcomes, write_result
from stormbench.benchmarks.results.run import ImageRun
from stormbench.benchmarks.results.settings import Settings, SuiteRecord
from stormbench.benchmarks.suites.corruptions import CorruptionSuite
from stormbench.cells import CLEAN, Cell, Pixels
from stormbench.datasets import ImageSet
from stormbench.datasets.on_disk.image_reader import open_released
from stormbench.datasets.on_disk.manifest import Manifest
from stormbench.datasets.on_the_fly import CellPixels, OnTheFly
from stormbench.errors import DataError
from stormbench.execution.journal import Journal
from stormbench.execution.shards import Shard, split
from stormbench.execution.timing import spent_on
from stormbench.metrics.classification import predict, rank_of_label
from stormbench.versions import version_of

_REMADE = 8


@dataclass
class ImageTask(ModelTask):
    """Decodes each image of a shard once, makes all its cells and asks the model; runs in a worker.

    Attributes:
        labels: each image's class in the model's index space.
        pixels: where the pixels of a cell come from.
        cells: what to score.
    """

    labels: NDArray[np.int64]
    pixels: CellPixels
    cells: Sequence[Cell]

    def __call__(self, shard: Shard) -> dict[str, NDArray[Any]]:
        """Returns ``prediction`` and ``rank``, both of shape ``(cells, images of the shard)``."""
        indices = range(shard.start, shard.stop)
        with spent_on("decode"):
            clean = [self.pixels.clean(self.images.read(index)) for index in indices]
        labels, keys = self.labels[shard.start : shard.stop], self.images.keys[shard.start : shard.stop]
        predictions, ranks = {}, {}
        for cell in shard.rotated(self.cells):
            self.reseed(cell, shard)
            logits = self.logits(self._batch(clean, indices, cell), keys, cell)
            predictions[cell], ranks[cell] = predict(logits), rank_of_label(logits, labels)
        return {
            "prediction": np.stack([predictions[cell] for cell in self.cells]).astype(np.int32),
            "rank": np.stack([ranks[cell] for cell in self.cells]).astype(np.uint16),
        }

    def _batch(self, clean: Sequence[Pixels], indices: range, cell: Cell) -> NDArray[np.uint8]:
        batch = clean
        if cell[0] != CLEAN:
            keys = [self.images.keys[index] for index in indices]
            batch = [self.pixels.corrupted(image, *cell, key) for image, key in zip(clean, keys, strict=True)]
        return stacked(batch, self.images.name)

    @classmethod
    def of(cls, suite: CorruptionSuite, inputs: Inputs, options: RunOptions) -> tuple["ImageTask", str | None]:
        """The task of a run, and what the result calls the set that the cells are read from."""
        record, released = suite_record(suite), options.released
        pixels, manifest = open_pixels(record, suite.cells, inputs.sound, options.seed, released)
        task = cls(
            build=partial(defended, inputs.model, options.defense),
            images=inputs.sound,
            seed=options.seed,
            device=options.device,
            batch_size=options.batch_size,
            inference=options.inference,
            labels=inputs.labels,
            pixels=pixels,
            cells=[(CLEAN, 0), *suite.cells],
        )
        if released is None:
            return task, None
        called = released_name(Path(released), manifest, record, inputs)
        if manifest is not None and manifest.images != len(inputs.sound):  # else its fingerprint has told
            _refuse_other_pixels(Path(released), pixels, manifest, inputs.sound, suite.cells[:1])
        return task, called

    @property
    def keys(self) -> Sequence[Cell]:
        """What a result counts, in order."""
        return self.cells

    @property
    def shards(self) -> list[Shard]:
        """Of the run: a shard is a batch."""
        return split(len(self.images), self.batch_size)

    def stored(self, settings: Settings, journal: Journal, path: Path) -> ImageRun:
        """Joins the outcomes of all shards and writes the result."""
        parts = [journal.read(shard.index) for shard in self.shards]
        outcomes = Outcomes(
            keys=np.array(self.images.keys, dtype=np.str_),
            labels=self.labels,
            prediction=np.concatenate([part["prediction"] for part in parts], axis=1),
            rank=np.concatenate([part["rank"] for part in parts], axis=1),
        )
        return ImageRun(path, write_result(settings, self.cells, outcomes, path))


def stacked(images: Sequence[Pixels], name: str) -> NDArray[np.uint8]:
    """Images as one array ``(N, H, W, 3)``.

    Args:
        images: one or more.
        name: of the data set.

    Raises:
        DataError: they are not of one size.
    """
    if len({image.shape for image in images}) > 1:
        sizes = sorted({f"{image.shape[1]}x{image.shape[0]}" for image in images})
        raise DataError(
            f"the images of {name} come in several sizes ({', '.join(sizes[:3])}, ...); "
            "give --resize and --crop, or choose a suite that resizes"
        )
    return np.stack(images)


def open_pixels(
    suite: SuiteRecord, cells: Sequence[Cell], images: ImageSet, seed: int, released: str | Path | None
) -> tuple[CellPixels, Manifest | None]:
    """Where the pixels of the cells come from, and the manifest of the set on disk, if that is where and it has one."""
    if released is None:
        return OnTheFly(suite.geometry, suite.scale, suite.jpeg_quality, seed), None
    return open_released(Path(released), images, suite.geometry, list(cells))


def _refuse_other_pixels(
    root: Path, pixels: CellPixels, manifest: Manifest, images: ImageSet, cells: Sequence[Cell]
) -> None:
    """Makes a few images of the set again: fewer images than it was made of have no fingerprint in its manifest."""
    if any(version_of(library) != version for library, version in manifest.versions.items()):
        return  # other libraries may make other pixels
    made = OnTheFly(manifest.geometry, manifest.scale, manifest.jpeg_quality, manifest.seed)
    few = sorted({*range(0, len(images), max(1, len(images) // _REMADE)), len(images) - 1})
    for cell, index in ((cell, index) for cell in cells for index in few):
        key, clean = images.keys[index], made.clean(images.read(index))
        if not np.array_equal(pixels.corrupted(clean, *cell, key), made.corrupted(clean, *cell, key)):
            raise DataError(f"{root} was not made of the images of {images.name}: in {cell[0]} image {key} differs")
