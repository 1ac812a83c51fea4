"""The parts of a recipe that can be exchanged, as the loop and each other see them."""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from stormbench.defenses.training.batch import Batch, Outcome


class View(Protocol):
    """Changes the images of a batch or adds to them, before and without the model."""

    def __call__(self, batch: Batch, generator: torch.Generator) -> None:
        """Changes ``batch`` in place; ``generator``, on the CPU, is of this epoch and process."""


class Space(Protocol):
    """What may be varied about an image: variables ``v`` and the images that they stand for."""

    def start(self, batch: Batch, generator: torch.Generator, kind: str) -> Tensor:
        """Variables to start from, ``(B, ...)``.

        Raises:
            InputError: the space has no start of this kind.
        """

    def apply(self, batch: Batch, v: Tensor) -> Tensor:
        """The images ``(B, 3, H, W)`` that variables stand for, differentiable."""


@runtime_checkable
class Differentiable(Space, Protocol):
    """A space in which gradients lead somewhere."""

    def step(self, v: Tensor, gradient: Tensor, size: float, batch: Batch) -> Tensor:
        """One step of ascent of this size, and the projection back into the space."""


class Stateful(Protocol):
    """A part with a memory that a continued training needs."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Takes them up again."""


class Inner(Protocol):
    """Finds the images to train on: the inner maximisation of adversarial training."""

    @property
    def passes(self) -> float:
        """Forward and backward passes per image."""

    def __call__(self, model: nn.Module, space: Space, batch: Batch, generator: torch.Generator) -> Tensor:
        """Images ``(B, 3, H, W)``; the model's mode and gradients are afterwards as they were."""


@runtime_checkable
class Carrying(Inner, Stateful, Protocol):
    """An inner maximiser that remembers something from step to step."""

    def after_step(self) -> None:
        """Is called when the gradients of a step have been computed and the optimiser has moved the weights."""


class Objective(nn.Module):
    """From a batch to its loss: all that needs the model, so that several processes can share it.

    Args:
        model: is trained.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, generator: torch.Generator) -> Outcome:
        """The loss of a batch; ``generator``, on the CPU, starts attacks."""
        raise NotImplementedError

    def after_step(self) -> None:
        """Is called when the optimiser has moved the weights."""

    def stateful(self) -> dict[str, Stateful]:
        """Parts of the objective with a memory, by name."""
        return {}
