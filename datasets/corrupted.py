"""From a source image to the pixels of a cell, on the fly."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stormbench.corruptions import corrupt
from stormbench.corruptions.kernels.jpeg import jpeg_round_trip
from stormbench.datasets.geometry import Geometry
from stormbench.randomness import stream
from stormbench.timing import spent_on

Pixels = NDArray[np.uint8]


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
