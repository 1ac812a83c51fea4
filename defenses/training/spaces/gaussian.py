"""Gaussian noise on every pixel: the space of stability training."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stormbench.defenses.training.batch import Batch
from stormbench.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """Noise of normal distribution on each channel of each pixel, clipped to [0, 1]; it can be drawn, not maximised.

    Attributes:
        sigma: standard deviation, for pixels in [0, 1].

    Raises:
        InputError: sigma is not positive.
    """

    sigma: float = 0.08

    def __post_init__(self) -> None:
        if self.sigma <= 0:
            raise InputError(f"sigma is a positive standard deviation, not {self.sigma:g}")

    def start(self, batch: Batch, generator: torch.Generator, kind: str) -> Tensor:  # noqa: ARG002
        """The noisy images, whatever start is asked for."""
        noise = torch.randn(batch.images.shape, generator=generator).to(batch.images)
        return (batch.images + self.sigma * noise).clamp(0, 1)

    def apply(self, batch: Batch, v: Tensor) -> Tensor:  # noqa: ARG002
        """The variables are the images."""
        return v
