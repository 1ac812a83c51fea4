"""What a worker does with a shard: decode each image once, make all its cells, ask the model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stormbench.benchmarks.results.schema import CLEAN
from stormbench.benchmarks.shards import Shard
from stormbench.datasets import ImageSet
from stormbench.datasets.corrupted import CellPixels, Pixels
from stormbench.errors import DataError, ModelError
from stormbench.metrics.classification import predict, rank_of_label
from stormbench.randomness import stream
from stormbench.timing import spent_on

CellKey = tuple[str, int]


@dataclass
class ModelTask:
    """What asks a model in a worker.

    Attributes:
        build: makes the model; called once per worker.
        images: the data set.
        seed: for defenses that draw; every cell of every shard starts from its own stream.
        device: where the model runs.
    """

    build: Callable[[], nn.Module]
    images: ImageSet
    seed: int
    device: str

    @cached_property
    def model(self) -> nn.Module:
        """The model, built at first use."""
        torch.set_num_threads(1)
        return self.build().to(self.device).eval()

    def reseed(self, cell: CellKey, shard: Shard) -> None:
        """Starts the draws of a random defense anew."""
        if callable(reseed := getattr(self.model, "reseed", None)):
            reseed(int(stream(self.seed, f"defense/{cell[0]}", cell[1], str(shard.start)).integers(2**63)))

    def logits(self, batch: NDArray[np.uint8], cell: CellKey) -> NDArray[np.float32]:
        """The model's answer to a batch ``(N, H, W, 3)`` of a cell: shape ``(N, classes)``.

        Raises:
            ModelError: it has NaN.
        """
        with torch.inference_mode(), spent_on("model"):
            images = torch.from_numpy(batch).to(self.device).permute(0, 3, 1, 2).float().div(255)
            logits: NDArray[np.float32] = self.model(images).float().cpu().numpy()
        if np.isnan(logits).any():
            raise ModelError(f"the model's output has NaN on {cell[0]}, severity {cell[1]}")
        return logits


@dataclass
class ScoreShard(ModelTask):
    """Decodes each image of a shard once, makes all its cells and asks the model; runs in a worker.

    Attributes:
        labels: each image's class in the model's index space.
        pixels: where the pixels of a cell come from.
        cells: what to score.
    """

    labels: NDArray[np.int64]
    pixels: CellPixels
    cells: Sequence[CellKey]

    def __call__(self, shard: Shard) -> dict[str, NDArray[Any]]:
        """Returns ``prediction`` and ``rank``, both of shape ``(cells, images of the shard)``."""
        indices = range(shard.start, shard.stop)
        with spent_on("decode"):
            clean = [self.pixels.clean(self.images.read(index)) for index in indices]
        labels = self.labels[shard.start : shard.stop]
        predictions, ranks = {}, {}
        for cell in shard.turned(self.cells):
            self.reseed(cell, shard)
            logits = self.logits(self._batch(clean, indices, cell), cell)
            predictions[cell], ranks[cell] = predict(logits), rank_of_label(logits, labels)
        return {
            "prediction": np.stack([predictions[cell] for cell in self.cells]).astype(np.int32),
            "rank": np.stack([ranks[cell] for cell in self.cells]).astype(np.uint16),
        }

    def _batch(self, clean: Sequence[Pixels], indices: range, cell: CellKey) -> NDArray[np.uint8]:
        batch = clean
        if cell[0] != CLEAN:
            keys = [self.images.keys[index] for index in indices]
            batch = [self.pixels.corrupted(image, *cell, key) for image, key in zip(clean, keys, strict=True)]
        if len({image.shape for image in batch}) > 1:
            sizes = sorted({f"{image.shape[1]}x{image.shape[0]}" for image in batch})
            raise DataError(
                f"the images of {self.images.name} come in several sizes ({', '.join(sizes[:3])}, ...); "
                "give --resize and --crop, or choose a suite that resizes"
            )
        return np.stack(batch)
