"""All images within a radius: the space of PGD."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from stormbench.defenses.attacks.ball import Ball, NormName
from stormbench.defenses.training.batch import Batch
from stormbench.errors import UnknownNameError

_SMALL = 1e-3  # standard deviation of TRADES' start


@dataclass(frozen=True, kw_only=True)
class Pixel:
    """All images within ``eps`` of the given one, pixels in [0, 1]; the variables are the image itself.

    Attributes:
        norm: ``linf`` or ``l2``.
        eps: the radius, for pixels in [0, 1].

    Raises:
        InputError: there is no such norm, or the radius is out of range.
    """

    norm: NormName = "linf"
    eps: float = 8 / 255
    ball: Ball = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ball", Ball(self.norm, self.eps))

    def start(self, batch: Batch, generator: torch.Generator, kind: str) -> Tensor:
        """``uniform`` in the ball, on its ``edge``, at ``zero`` distance, or ``normal`` with deviation 0.001.

        Raises:
            UnknownNameError: there is no such start.
        """
        if kind == "uniform":
            return self.ball.random(batch.images, generator)
        if kind == "edge":
            return self.ball.edge(batch.images, generator)
        if kind == "normal":  # as in TRADES' code, not yet clipped to [0, 1]
            return batch.images + _SMALL * torch.randn(batch.images.shape, generator=generator).to(batch.images)
        if kind == "zero":
            return batch.images.clone()
        raise UnknownNameError("start", kind, ("uniform", "edge", "normal", "zero"))

    def apply(self, batch: Batch, v: Tensor) -> Tensor:  # noqa: ARG002
        """The variables are the images."""
        return v

    def step(self, v: Tensor, gradient: Tensor, size: float, batch: Batch) -> Tensor:
        """A step of length ``size`` in the norm, and the projection to the ball and to [0, 1]."""
        return self.ball.project(v + size * self.ball.steepest(gradient), batch.images)
