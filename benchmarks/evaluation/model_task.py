"""Base of tasks that ask a model in a worker process."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stormbench.benchmarks.evaluation.device import SWITCHES, precision_switches, set_precision_switches
from stormbench.benchmarks.models.inference import Inference
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.models.probing import told
from stormbench.cells import Cell
from stormbench.datasets import ImageSet
from stormbench.errors import ModelError, StormbenchError
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
        state = {name: value for name, value in vars(self).items() if name not in ("model", "ask")}  # built anew
        return state | {SWITCHES: precision_switches()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        set_precision_switches(state.pop(SWITCHES))  # a worker starts with torch's own
        vars(self).update(state)

    @cached_property
    def model(self) -> nn.Module:
        """The model, built at first use."""
        torch.set_num_threads(1)
        return self.inference.prepared(self.build(), self.device)

    @cached_property
    def ask(self) -> Callable[[Tensor], Tensor]:
        """What answers a batch of images."""
        return self.inference.callable(self.model)

    @cached_property
    def _undefended(self) -> Model | None:
        return next((part for part in self.model.modules() if isinstance(part, Model)), None)

    def reseed(self, cell: Cell, shard: Shard) -> None:
        """Starts the draws of random defenses anew, and those that a network makes from the global generators."""
        seed = int(stream(self.seed, f"defense/{cell[0]}", cell[1], str(shard.start)).integers(2**63))
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # the network's code may draw from it
        if callable(reseed := getattr(self.model, "reseed", None)):
            reseed(seed)

    def logits(self, batch: NDArray[np.uint8], names: Sequence[str], cell: Cell | None = None) -> NDArray[np.float32]:
        """The model's answer to a batch.

        Args:
            batch: ``(N, H, W, 3)``.
            names: of the images or frames, ``N`` of them, for messages.
            cell: which; None where the names say it.

        Returns:
            Logits ``(N, classes)``.

        Raises:
            ModelError: the model fails, or gives something else than one row of finite numbers for each image; the
                message names the image or the batch.
        """
        images = torch.from_numpy(batch).to(self.device).permute(0, 3, 1, 2).float().div(255)
        where = _span(names) + (f" ({cell[0]}, severity {cell[1]})" if cell else "")
        try:
            with torch.inference_mode(), self.inference.active(self.device), spent_on("model"):
                answer = self.ask(self.inference.arranged(images))
                logits = answer.float().cpu().numpy() if isinstance(answer, torch.Tensor) else None
        except StormbenchError:
            raise
        except (Exception, SystemExit) as error:  # the network is the user's: it may raise anything
            raise ModelError(f"the model fails on {where}: {told(error)}") from error
        if logits is None:
            raise ModelError(f"the model gives a {type(answer).__name__} for {where}; expected logits, a tensor")
        self._check(logits, where, names)
        return logits

    def _check(self, logits: NDArray[np.float32], where: str, names: Sequence[str]) -> None:
        classes = self._undefended.num_classes if self._undefended else logits.shape[-1]
        if logits.shape != (len(names), classes):
            raise ModelError(
                f"the model gives logits of shape {logits.shape} for {where}; expected {(len(names), classes)}"
            )
        if (bad := ~np.isfinite(logits).all(axis=1)).any():
            raise ModelError(
                f"the model gives NaN or infinite logits for {names[int(bad.argmax())]!r} of {where}; "
                "expected finite numbers"
            )


def _span(names: Sequence[str]) -> str:
    return f"the batch {names[0]!r} to {names[-1]!r}" if len(names) > 1 else f"the batch of {names[0]!r}"
