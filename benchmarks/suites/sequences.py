"""The suites of sequences: which perturbations, at which scale, of images prepared how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from stormbench.benchmarks.suites.corruptions import refuse_empty
from stormbench.cells import Cell
from stormbench.corruptions.perturbations import LEVELS, PERTURBATIONS
from stormbench.datasets import Geometry
from stormbench.datasets.on_disk.manifest import Layout
from stormbench.datasets.on_the_fly import SOURCES
from stormbench.errors import InputError
from stormbench.metrics.stability import CIFAR_PERTURBATIONS, TEST_PERTURBATIONS


@dataclass(frozen=True)
class SequenceSuite:
    """One way to make the sequences of a benchmark.

    Attributes:
        name: what users call it.
        summary: one line for ``stormbench list suites``.
        scale: column of the tables.
        geometry: how a source image becomes the frame that is perturbed; None takes sources as they are.
        normalised: whether the literature divides by AlexNet's figures (mFR, mT5D); otherwise it reports plain means.
        film: whether the published files are films (``.mp4``); otherwise they are arrays (``.npy``).
        perturbations: what is scored.
        levels: at which levels; only noise has others than 1.
    """

    name: str
    summary: str
    scale: str
    geometry: Geometry | None
    normalised: bool
    film: bool
    perturbations: tuple[str, ...] = TEST_PERTURBATIONS
    levels: tuple[int, ...] = (1,)
    jpeg_quality: ClassVar[None] = None

    @property
    def cells(self) -> list[Cell]:
        """All (perturbation, level) pairs that there are, perturbation by perturbation."""
        there = {name: len(PERTURBATIONS[name].levels[self.scale]) for name in self.perturbations}
        return [(name, level) for name in self.perturbations for level in self.levels if level <= there[name]]

    @property
    def formats(self) -> Mapping[str, Layout]:
        """How sets can be written, the default first; films are lossy, arrays are not."""
        return {"mp4": "films", "npy": "sequences"} if self.film else {"npy": "sequences", "mp4": "films"}

    def frames(self, perturbation: str) -> int:
        """Length of a sequence."""
        return PERTURBATIONS[perturbation].frames[self.scale]

    def narrowed(self, perturbations: Sequence[str] | None, levels: Sequence[int] | None) -> "SequenceSuite":
        """The same suite with only some cells, or with the perturbations for validation, in the registry's order.

        Raises:
            UnknownNameError: there is no such perturbation.
            InputError: a level is not 1 to 3, none of the perturbations has it, or a list is empty.
        """
        refuse_empty(perturbations=perturbations, levels=levels)
        wanted = {PERTURBATIONS[name].name for name in perturbations or self.perturbations}
        if bad := set(levels or ()) - set(LEVELS):
            raise InputError(f"levels are 1 to 3, not {', '.join(map(str, sorted(bad)))}")
        suite = replace(
            self,
            perturbations=tuple(name for name in PERTURBATIONS if name in wanted),
            levels=tuple(sorted(set(levels or self.levels))),
        )
        if not suite.cells:
            raise InputError(f"only noise has levels 2 and 3; {', '.join(suite.perturbations)} have level 1")
        return suite

    def resized(self, resize: int | None, crop: int | None, interpolation: str | None) -> "SequenceSuite":
        """The same suite on images that are resized otherwise; what is None stays as it is.

        Raises:
            InputError: a crop is asked for.
        """
        if crop is not None:
            raise InputError(f"--crop does not go with {self.name}: its frames are cropped to the size of their scale")
        if resize is None and interpolation is None:
            return self
        old = self.geometry or Geometry()
        return replace(
            self, geometry=replace(old, resize=resize or old.resize, interpolation=interpolation or old.interpolation)
        )


SEQUENCE_SUITES = [
    SequenceSuite(
        "imagenet-p",
        "ImageNet-P: 10 perturbations of 31 frames (translate: 41) at 224x224, flip rates and top-5 distances",
        "imagenet",
        SOURCES["imagenet"],
        normalised=True,
        film=True,
    ),
    SequenceSuite(
        "imagenet-p-299",
        "the variant for Inception, at 299x299",
        "inception",
        SOURCES["inception"],
        normalised=True,
        film=True,
    ),
    SequenceSuite(
        "imagenet64-p",
        "the variant for ImageNet-64x64 and Tiny-ImageNet, at 64x64",
        "imagenet64",
        SOURCES["imagenet64"],
        normalised=True,
        film=True,
    ),
    SequenceSuite(
        "cifar10-p",
        "CIFAR-10-P as its script scores it: spatter instead of snow, plain flip probabilities, 32x32",
        "cifar",
        SOURCES["cifar"],
        normalised=False,
        film=False,
        perturbations=CIFAR_PERTURBATIONS,
    ),
    SequenceSuite(
        "cifar-p",
        "the paper's ten perturbations of 32x32 images",
        "cifar",
        SOURCES["cifar"],
        normalised=False,
        film=False,
    ),
]
