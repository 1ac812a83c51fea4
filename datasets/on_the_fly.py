"""Corrupted images and perturbation sequences made from the source image."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from PIL import Image

from stormbench.cells import Pixels
from stormbench.corruptions import corrupt
from stormbench.corruptions.kernels.jpeg import jpeg_round_trip
from stormbench.corruptions.perturbations import PERTURBATIONS, perturb
from stormbench.datasets.geometry import Geometry
from stormbench.datasets.images import ImageSet
from stormbench.execution.timing import spent_on
from stormbench.randomness import stream


class CellPixels(Protocol):
    """Where the pixels of a cell come from: made on the fly, or read from a released set."""

    def clean(self, image: Image.Image) -> Pixels:
        """A decoded image as the benchmark sees it, ``(H, W, 3)`` RGB."""

    def corrupted(self, clean: Pixels, corruption: str, severity: int, key: str) -> Pixels:
        """The image of the same shape that a model sees in this cell."""


@dataclass(frozen=True)
class OnTheFly:
    """Makes every cell from the clean pixels, to the same bytes that generating and reading back would give.

    Attributes:
        geometry: resize and crop before corrupting; None takes images as they are.
        scale: the column of the severity tables.
        jpeg_quality: quality of the JPEG round trip that the published set went through; None for a lossless set.
        seed: the run's seed.
    """

    geometry: Geometry | None
    scale: str
    jpeg_quality: int | None
    seed: int

    def clean(self, image: Image.Image) -> Pixels:
        """Resizes and crops; clean images are not re-encoded, as in the reference's evaluation."""
        return clean_pixels(image, self.geometry)

    def raw(self, clean: Pixels, corruption: str, severity: int, key: str) -> Pixels:
        """The corrupted image before any encoding."""
        with spent_on("corrupt"):
            rng = stream(self.seed, corruption, severity, key)
            return corrupt(clean, corruption, severity, scale=self.scale, rng=rng)

    def corrupted(self, clean: Pixels, corruption: str, severity: int, key: str) -> Pixels:
        """Corrupts, and sends the image through the published set's codec."""
        pixels = self.raw(clean, corruption, severity, key)
        with spent_on("encode"):
            return pixels if self.jpeg_quality is None else jpeg_round_trip(pixels, self.jpeg_quality)


def clean_pixels(image: Image.Image, geometry: Geometry | None) -> Pixels:
    """A decoded image as the benchmark sees it; None takes it as it is."""
    return np.asarray(image) if geometry is None else geometry(image)


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
