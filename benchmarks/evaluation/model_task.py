"""Base of tasks that ask a model in a worker process."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stormbench.benchmarks.models.inference import Inference
from stormbench.cells import Cell
from stormbench.datasets import ImageSet
from stormbench.errors import ModelError
from stormbench.execution.shards import Shard
from stormbench.execution.timing import spent_on
from stormbench.randomness import stream


@dataclass
class ModelTask:
    """What asks a model in a worker.

    Attributes:
        build: makes the model; called once per worker.
        images: the data set.
        seed: for defenses that draw; every cell of every shard starts from its own stream.
        device: where the model runs.
        batch_size: images or frames that go through the model at once.
        inference: how the model computes.
    """

    build: Callable[[], nn.Module]
    images: ImageSet
    seed: int
    device: str
    batch_size: int
    inference: Inference

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("model", "ask")}  # each process's own

    @cached_property
    def model(self) -> nn.Module:
        """The model, built at first use."""
        torch.set_num_threads(1)
        return self.inference.prepared(self.build(), self.device)

    @cached_property
    def ask(self) -> Callable[[Tensor], Tensor]:
        """What answers a batch of images."""
        return self.inference.callable(self.model)

    def reseed(self, cell: Cell, shard: Shard) -> None:
        """Starts the draws of a random defense anew."""
        if callable(reseed := getattr(self.model, "reseed", None)):
            reseed(int(stream(self.seed, f"defense/{cell[0]}", cell[1], str(shard.start)).integers(2**63)))

    def logits(self, batch: NDArray[np.uint8], cell: Cell) -> NDArray[np.float32]:
        """The model's answer to a batch ``(N, H, W, 3)`` of a cell: shape ``(N, classes)``.

        Raises:
            ModelError: it has NaN.
        """
        with torch.inference_mode(), self.inference.active(self.device), spent_on("model"):
            images = torch.from_numpy(batch).to(self.device).permute(0, 3, 1, 2).float().div(255)
            logits: NDArray[np.float32] = self.ask(self.inference.arranged(images)).float().cpu().numpy()
        if np.isnan(logits).any():
            raise ModelError(f"the model's output has NaN on {cell[0]}, severity {cell[1]}")
        return logits
