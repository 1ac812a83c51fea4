"""Crops with mirror images, and noise."""

from dataclasses import dataclass

import torch

from stormbench.defenses.training.batch import Batch
from stormbench.defenses.training.views.augmentation import augmented
from stormbench.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A random crop after zero padding, mirrored half of the time.

    Attributes:
        padding: pixels of zeros on each side.
        mirror: whether images are mirrored.
    """

    padding: int = 4
    mirror: bool = True

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise InputError(f"the padding is a number of pixels, not {self.padding}")

    def __call__(self, batch: Batch, generator: torch.Generator) -> None:
        """See ``View``."""
        batch.images = augmented(batch.images, generator, padding=self.padding, mirror=self.mirror)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Gaussian noise on a share of the images: plain augmentation, the control of stability training.

    Attributes:
        sigma: standard deviation, for pixels in [0, 1].
        share: probability, 0 to 1, that an image gets noise.
    """

    sigma: float = 0.08
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.sigma <= 0 or not 0 <= self.share <= 1:
            raise InputError(f"sigma is positive and share in 0..1, not {self.sigma:g} and {self.share:g}")

    def __call__(self, batch: Batch, generator: torch.Generator) -> None:
        """See ``View``."""
        images = batch.images
        chosen = (torch.rand(len(images), 1, 1, 1, generator=generator) < self.share).to(images.device)
        noisy = images + self.sigma * torch.randn(images.shape, generator=generator).to(images)
        batch.images = torch.where(chosen, noisy.clamp(0, 1), images)
