"""The suites: which corruptions, at which scale, on images prepared how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stormbench.cells import SEVERITIES
from stormbench.corruptions import C_BAR, CORRUPTIONS
from stormbench.datasets import Geometry
from stormbench.datasets.on_disk.manifest import Layout
from stormbench.errors import InputError
from stormbench.metrics.corruption import TEST_CORRUPTIONS


def refuse_empty(**chosen: Sequence[object] | None) -> None:
    """A choice of nothing is not a choice of everything.

    Raises:
        InputError: one of the choices is an empty list.
    """
    for what, choice in chosen.items():
        if choice is not None and not choice:
            raise InputError(f"no {what} are chosen; name some, or leave the choice out for all of the suite's")


@dataclass(frozen=True)
class CorruptionSuite:
    """One way to make the cells of a benchmark.

    Every model of a suite sees the same images, so that models can be compared image by image: the suite prepares
    them, and a model that wants another size has them resized on its way in.

    Attributes:
        name: what users call it.
        summary: one line for ``stormbench list suites``.
        scale: column of the severity tables.
        geometry: how a source image becomes the clean image; None where sources already have their size.
        jpeg_quality: codec of the published set; None where it is lossless.
        baseline: name of the baseline that CE and mCE are measured against by default; None where the literature
            reports plain mean errors.
        corruptions: what is scored.
        severities: at which severities.
    """

    name: str
    summary: str
    scale: str
    geometry: Geometry | None
    jpeg_quality: int | None
    baseline: str | None
    corruptions: tuple[str, ...] = TEST_CORRUPTIONS
    severities: tuple[int, ...] = SEVERITIES

    @property
    def cells(self) -> list[tuple[str, int]]:
        """All (corruption, severity) pairs, corruption by corruption."""
        return [(corruption, severity) for corruption in self.corruptions for severity in self.severities]

    @property
    def formats(self) -> Mapping[str, Layout]:
        """How sets can be written, the default first; folders are of JPEG files."""
        lossless: dict[str, Layout] = {"npy": "arrays", "png": "png", "webdataset": "webdataset"}
        return lossless if self.jpeg_quality is None else {"folders": "folders", **lossless}

    def narrowed(self, corruptions: Sequence[str] | None, severities: Sequence[int] | None) -> "CorruptionSuite":
        """The same suite with only some cells, or with others that have its scale, in the registry's order.

        Raises:
            UnknownNameError: there is no such corruption.
            InputError: a severity is not 1 to 5, a list is empty, or a corruption has none at the suite's scale.
        """
        refuse_empty(corruptions=corruptions, severities=severities)
        wanted = {CORRUPTIONS[name].name for name in corruptions or self.corruptions}
        if lacking := [name for name in wanted if self.scale not in CORRUPTIONS[name].severities]:
            raise InputError(f"{self.name} has scale {self.scale}, which has no severities of {', '.join(lacking)}")
        if bad := set(severities or ()) - set(SEVERITIES):
            raise InputError(f"severities are 1 to 5, not {', '.join(map(str, sorted(bad)))}")
        return replace(
            self,
            corruptions=tuple(name for name in CORRUPTIONS if name in wanted),
            severities=tuple(sorted(set(severities or self.severities))),
        )

    def resized(self, resize: int | None, crop: int | None, interpolation: str | None) -> "CorruptionSuite":
        """The same suite on images prepared otherwise; what is None stays as it is."""
        changes: dict[str, Any] = {"resize": resize, "crop": crop, "interpolation": interpolation}
        given = {name: value for name, value in changes.items() if value is not None}
        return replace(self, geometry=replace(self.geometry or Geometry(), **given)) if given else self


CORRUPTION_SUITES = [
    CorruptionSuite(
        "imagenet-c",
        "ImageNet-C: 15 corruptions x 5 severities at 224x224, JPEG 85",
        "imagenet",
        Geometry(256, 224),
        85,
        "alexnet",
    ),
    CorruptionSuite(
        "imagenet-c-299",
        "the variant for Inception, at 299x299",
        "inception",
        Geometry.inception(299),
        85,
        None,
    ),
    CorruptionSuite(
        "imagenet64-c",
        "the variant for ImageNet-64x64 and Tiny-ImageNet, at 64x64",
        "imagenet64",
        Geometry((64, 64), None),
        85,
        None,
    ),
    CorruptionSuite("cifar-c", "CIFAR-10-C and CIFAR-100-C: 32x32 images, lossless", "cifar", None, None, None),
    CorruptionSuite(
        "imagenet-c-bar",
        "ImageNet-C-bar: 10 corruptions far from ImageNet-C's x 5 severities at 224x224, JPEG 85, plain mean errors",
        "imagenet",
        Geometry(256, 224),
        85,
        None,
        C_BAR["imagenet"],
    ),
    CorruptionSuite(
        "cifar10-c-bar",
        "CIFAR-10-C-bar: 10 corruptions far from CIFAR-10-C's x 5 severities, 32x32 images, lossless",
        "cifar",
        None,
        None,
        None,
        C_BAR["cifar"],
    ),
]
