"""From a source image to the frames of a perturbation sequence, on the fly."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stormbench.corruptions.perturbations import PERTURBATIONS, perturb
from stormbench.datasets.corrupted import clean_pixels
from stormbench.datasets.geometry import Geometry
from stormbench.datasets.images import ImageSet
from stormbench.randomness import stream
from stormbench.timing import spent_on

Pixels = NDArray[np.uint8]

SOURCES: Mapping[str, Geometry | None] = MappingProxyType(
    {"imagenet": Geometry(256), "inception": None, "imagenet64": None, "cifar": None}
)
"""For each scale what a source image becomes before it is perturbed: the crop comes after, and the reference's scripts
for 299 and 64 pixels resize after, too."""


class SequencePixels(Protocol):
    """Where the frames of a sequence come from: made on the fly, or read from a released set."""

    def source(self, images: ImageSet, index: int) -> Pixels:
        """An image as the perturbations take it, ``(H, W, 3)`` RGB; empty where frames are only read."""

    def frames(self, source: Pixels, perturbation: str, level: int, key: str) -> Iterator[Pixels]:
        """The frames that a model sees, one after the other, each ``(S, S, 3)``."""


@dataclass(frozen=True)
class SequencesOnTheFly:
    """Makes every sequence from the source image; what is made depends on the seed and the image's key alone.

    Attributes:
        geometry: resize before perturbing; None takes images as they are.
        scale: which table of quantities.
        seed: the run's seed.
    """

    geometry: Geometry | None
    scale: str
    seed: int

    def source(self, images: ImageSet, index: int) -> Pixels:
        """Decodes and resizes; the surroundings of the crop stay."""
        return self.clean(images.read(index))

    def clean(self, image: Image.Image) -> Pixels:
        """A decoded image as the perturbations take it."""
        return clean_pixels(image, self.geometry)

    def frames(self, source: Pixels, perturbation: str, level: int, key: str) -> Iterator[Pixels]:
        """Perturbs, without any encoding."""
        rng = stream(self.seed, f"sequence/{perturbation}", level, key)
        return perturb(source, perturbation, scale=self.scale, level=level, rng=rng)

    def raw(self, source: Pixels, perturbation: str, level: int, key: str) -> Pixels:
        """All frames of a sequence at once, ``(frames, S, S, 3)``."""
        with spent_on("corrupt"):
            return np.stack(list(self.frames(source, perturbation, level, key)))


def frame_count(perturbation: str, scale: str) -> int:
    """Length of a sequence.

    Example:
        >>> frame_count("translate", "imagenet"), frame_count("tilt", "cifar")
        (41, 31)
    """
    return PERTURBATIONS[perturbation].frames[scale]
