"""A stored run as users of Python see it: figures, rows, predictions, tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.analysis.baselines import suite_baseline
from stormbench.benchmarks.analysis.image_summary import ImageSummary, share
from stormbench.benchmarks.analysis.metrics import FIGURES
from stormbench.benchmarks.analysis.sequence_summary import SequenceSummary
from stormbench.benchmarks.analysis.summary import summarise
from stormbench.benchmarks.results import run as stored
from stormbench.cells import CLEAN, Cell
from stormbench.cli.tables.attacks import print_attack
from stormbench.cli.tables.captured import captured
from stormbench.cli.tables.html import html_table
from stormbench.cli.tables.runs import print_run
from stormbench.errors import InputError, MissingDependencyError
from stormbench.metrics.estimates import Estimate


@dataclass(frozen=True)
class Figure:
    """One figure of a run with its 95 % interval, in percent.

    Attributes:
        value: as observed.
        low: lower bound.
        high: upper bound.
        parts: the figure of each corruption (``figure["fog"]``) or cell (``figure["fog", 3]``), as far as it has one.
    """

    value: float
    low: float
    high: float
    parts: Mapping[str | Cell, Estimate] = field(default_factory=dict, repr=False, compare=False)

    def __getitem__(self, part: str | Cell) -> Estimate:
        if part not in self.parts:
            known = ", ".join(map(str, self.parts)) or "nothing"
            raise InputError(f"the figure is not there for {part!r}; it is for {known}")
        return self.parts[part]

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return str(Estimate(self.value, self.low, self.high))


class Predictions(NamedTuple):
    """What the model said of every image in one cell.

    Attributes:
        keys: each image's identity, shape ``(images,)``.
        labels: each image's class in the model's index space, shape ``(images,)``.
        prediction: the class the model put first, shape ``(images,)``.
        rank: how many classes it put before the true one, shape ``(images,)``; 0 is right.
    """

    keys: NDArray[np.str_]
    labels: NDArray[np.int64]
    prediction: NDArray[np.int32]
    rank: NDArray[np.uint16]


class HardImage(NamedTuple):
    """An image and the share of the corrupted cells, in percent, in which the model got it wrong."""

    key: str
    label: int
    wrong: float


@dataclass(frozen=True, repr=False)
class Run:
    """A stored run and its figures, which are computed when they are first asked for.

    Attributes:
        run: what is stored: path, record, and the outcome of every image.
    """

    run: stored.ImageRun | stored.SequenceRun

    @staticmethod
    def open(path: str | Path) -> "Run":
        """Reads and checks a result file; raises ``ResultError`` where it is none."""
        return Run(stored.Run.open(path))

    @property
    def path(self) -> Path:
        """The result file."""
        return self.run.path

    @cached_property
    def summary(self) -> ImageSummary | SequenceSummary:
        """All figures, normalised as the suite's literature does."""
        images = isinstance(self.run, stored.ImageRun)
        return summarise(self.run, suite_baseline(self.run.result.suite.name) if images else None)

    @property
    def figures(self) -> dict[str, Estimate]:
        """All figures that the run's cells allow, by the keys of the table of metrics."""
        return self.summary.figures

    @property
    def mce(self) -> Figure:
        """Mean corruption error, percent of AlexNet's; ``mce["fog"]`` is a CE. Needs all 75 cells of the suite.

        Raises:
            InputError: the run has no such figure; the message says why. So do all figures.
        """
        return self._figure("mce", getattr(self.summary, "corruption_errors", {}))

    @property
    def relative_mce(self) -> Figure:
        """Relative mean corruption error."""
        return self._figure("relative_mce", {})

    @property
    def mean_error(self) -> Figure:
        """Mean top-1 error over all corrupted cells; ``mean_error["fog", 3]`` is that of a cell."""
        summary = self.summary
        parts: dict[Any, Estimate] = {}
        if isinstance(summary, ImageSummary):
            parts = {**summary.corruption_means, **summary.errors}
        return self._figure("mean_error", parts)

    @property
    def clean_error(self) -> Figure:
        """Top-1 error on clean images."""
        return self._figure("clean_error", {})

    @property
    def flip_probability(self) -> Figure:
        """Mean flip probability of a run on sequences; ``flip_probability["tilt", 1]`` is that of a cell."""
        return self._figure("flip_probability", getattr(self.summary, "flip_probability", {}))

    @property
    def robust_accuracy(self) -> Figure:
        """Accuracy under the worst attack, of a run of ``attack``."""
        return self._figure("robust_accuracy", {})

    @property
    def verdict(self) -> str:
        """What an attack found, with its reason."""
        found = self.run.result.adversarial if isinstance(self.run, stored.ImageRun) else None
        if found is None:
            raise InputError(f"{self.run.name} was not attacked: there is no verdict; sb.attack makes one")
        return f"{found.verdict}: {found.reason}"

    def rows(self) -> list[dict[str, Any]]:
        """One row a cell, clean images first; errors in percent with their 95 % intervals."""
        summary = self.summary
        return _image_rows(summary) if isinstance(summary, ImageSummary) else _sequence_rows(summary)

    def to_pandas(self) -> Any:
        """The rows as a ``pandas.DataFrame``.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError:
            raise MissingDependencyError("to_pandas needs pandas: pip install 'stormbench[pandas]'") from None
        return pandas.DataFrame(self.rows())

    def predictions(self, corruption: str = CLEAN, severity: int = 0) -> Predictions:
        """What the model said of every image in a cell; of the clean images where none is named.

        Raises:
            InputError: the run lacks the cell, or is on sequences.
            ResultError: the outcomes are missing or do not fit the result.
        """
        run = self._images()
        if (corruption, severity) not in run.cells:
            raise InputError(f"{run.name} has no cell {corruption} at severity {severity}")
        row, found = run.cells.index((corruption, severity)), run.outcomes
        return Predictions(found.keys, found.labels, found.prediction[row], found.rank[row])

    def hardest(self, count: int = 20) -> list[HardImage]:
        """The images that the model gets wrong in most corrupted cells; among equals those that it ranks lower.

        Raises:
            InputError: the run is on sequences, or has no corrupted cells.
        """
        run = self._images()
        corrupted = [cell for cell in run.cells if cell[0] != CLEAN]
        if not corrupted:
            raise InputError(f"{run.name} has no corrupted cells")
        found, wrong = run.outcomes, 100 * run.wrong(corrupted).mean(axis=0)
        ranks = found.rank[[run.cells.index(cell) for cell in corrupted]].sum(axis=0, dtype=np.int64)
        order = np.lexsort((-ranks, -wrong))[:count]
        return [HardImage(str(found.keys[at]), int(found.labels[at]), float(wrong[at])) for at in order]

    def __repr__(self) -> str:
        return captured(self._print)

    def _repr_html_(self) -> str:
        return html_table(self.run.result, self.rows(), self.figures)

    def _print(self) -> None:
        if isinstance(self.run, stored.ImageRun) and self.run.result.adversarial:
            print_attack(self.run.result, self.path)
        else:
            print_run(self.run, self.summary.baseline)

    def _images(self) -> stored.ImageRun:
        if not isinstance(self.run, stored.ImageRun):
            raise InputError(f"{self.run.name} is on sequences; this is told of runs on images")
        return self.run

    def _figure(self, name: str, parts: Mapping[Any, Estimate]) -> Figure:
        if name not in self.figures:
            why = " ".join(self.summary.notes) or f"it has {', '.join(self.figures)}"
            raise InputError(f"{self.run.name} has no {FIGURES[name].phrase}: {why}")
        return Figure(*self.figures[name], parts)


def _image_rows(summary: ImageSummary) -> list[dict[str, Any]]:
    rows = []
    for cell in summary.result.cells:
        error, top5 = summary.errors[cell.corruption, cell.severity], share(cell.wrong_top5, cell.images)
        ce = summary.corruption_errors.get(cell.corruption)
        where = {"corruption": cell.corruption, "severity": cell.severity, "images": cell.images}
        figures = {"error": error.value, "low": error.low, "high": error.high, "top5_error": top5.value}
        rows.append(where | figures | {"ce": ce.value if ce else None})
    return rows


def _sequence_rows(summary: SequenceSummary) -> list[dict[str, Any]]:
    rows = []
    for cell in summary.result.cells:
        flips = summary.flip_probability[cell.perturbation, cell.level]
        where = {"perturbation": cell.perturbation, "level": cell.level, "images": cell.images, "frames": cell.frames}
        figures = {"flip_probability": flips.value, "low": flips.low, "high": flips.high}
        rows.append(where | figures | {"top5_distance": cell.top5_distance})
    return rows
