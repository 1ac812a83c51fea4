"""A stored run: its record and the outcome of every image, opened by path once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.results.attacks import roles_of
from stormbench.benchmarks.results.documents import kind_of
from stormbench.benchmarks.results.images import Outcomes, Result, read_attack, read_outcomes, read_result
from stormbench.benchmarks.results.sequences import (
    SequenceOutcomes,
    SequenceResult,
    read_sequence_outcomes,
    read_sequence_result,
)
from stormbench.benchmarks.results.settings import Settings
from stormbench.cells import Cell
from stormbench.defenses.robustness.outcomes import ATTACKERS, AttackOutcomes
from stormbench.errors import ResultError


@dataclass(frozen=True)
class Run:
    """One stored run, on images or on sequences; ``Run.open`` decides which from the file.

    Outcomes are read, and held against the counts, when they are first asked for.

    Attributes:
        path: the result file.
        result: what it holds: settings and counts.
    """

    path: Path
    result: Any

    @staticmethod
    def open(path: str | Path) -> "ImageRun | SequenceRun":
        """Reads and checks a result file of either kind.

        Raises:
            ResultError: there is no such file, it is not a result, or it was changed after it was written.
        """
        path = Path(path)
        kind = kind_of(path)
        if kind == "sample":
            raise ResultError(
                f"{path} is of a run with a chosen precision, which shows each image in some cells only; here a full "
                "run is wanted (gate and verify take both)"
            )
        if kind == "sequences":
            return SequenceRun(path, read_sequence_result(path))
        return ImageRun(path, read_result(path))

    def __iter__(self) -> Iterator[Any]:
        """Unpacks as the pair that ``score`` returned before there were runs: the path and the result."""
        return iter((self.path, self.result))

    @property
    def name(self) -> str:
        """The run's name, as its files are called."""
        return str(self.result.run)

    @property
    def cells(self) -> list[Cell]:
        """Corruption and severity, or perturbation and level, of each cell, in the order of the outcomes."""
        return list(self.result.keys)

    @property
    def pixels(self) -> dict[str, Any]:
        """What the run's pixels and its model's arithmetic depend on; runs that agree in all of it can be paired."""
        return {what: setting(self.result) for what, setting in _SAME_PIXELS.items()}


@dataclass(frozen=True)
class ImageRun(Run):
    """A run on clean and corrupted images, attacked or not."""

    result: Result

    @cached_property
    def outcomes(self) -> Outcomes:
        """Prediction and rank of every image in every cell.

        Raises:
            ResultError: they are missing, are not those that the result names, or do not add up to its counts.
        """
        return read_outcomes(self.path, self.result)

    @cached_property
    def attack(self) -> AttackOutcomes | None:
        """What became of every image under every attack; None where there was none, or where only counts were kept.

        Raises:
            ResultError: as ``outcomes``.
        """
        return read_attack(self.path, self.result)

    def wrong(self, cells: Sequence[Cell]) -> NDArray[np.bool_]:
        """Which images were misclassified in some of the cells, shape ``(cells, images)``."""
        own = self.cells
        return self.outcomes.rank[[own.index(cell) for cell in cells]] >= 1

    @property
    def robust(self) -> NDArray[np.bool_] | None:
        """Which images stayed right under the worst attack, shape ``(images,)``; None where that was not kept."""
        if self.attack is None or self.result.adversarial is None:
            return None
        found = self.attack.under(roles_of(self.result.adversarial), *ATTACKERS)
        return found[0] if found else None


@dataclass(frozen=True)
class SequenceRun(Run):
    """A run on perturbation sequences."""

    result: SequenceResult

    @cached_property
    def outcomes(self) -> SequenceOutcomes:
        """The best classes of every frame.

        Raises:
            ResultError: they are missing, are not those that the result names, or do not add up to its counts.
        """
        return read_sequence_outcomes(self.path, self.result)


ARITHMETIC = "arithmetic (precision, compilation, layout)"

# What must be equal for two runs to be paired, and what to say where it is not: the pixels, and how they were judged.
_SAME_PIXELS: dict[str, Callable[[Settings], Any]] = {
    "suite": lambda result: result.suite.name,
    "severity scale": lambda result: result.suite.scale,
    "geometry": lambda result: result.suite.geometry,
    "codec (JPEG quality)": lambda result: result.suite.jpeg_quality,
    "number of images": lambda result: result.data.images,
    "images (fingerprint)": lambda result: result.data.fingerprint,
    "released files": lambda result: result.data.released,
    "seed": lambda result: result.seed,
    ARITHMETIC: lambda result: result.inference,
}
