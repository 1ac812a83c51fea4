"""Outcomes of any run on images as those of a plan's passes, so that two runs can be paired pass by pass."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.results.images import read_outcomes, read_result
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.samples import Sample, is_sample, plan_of
from stormbench.benchmarks.results.settings import Settings
from stormbench.cells import CLEAN, Cell
from stormbench.errors import ResultError
from stormbench.metrics.block_plan import BlockPlan


@dataclass(frozen=True)
class Passes:
    """A run on images in order of its plan; a full run has all blocks.

    Attributes:
        path: the result file.
        settings: of the run.
        keys: the images, used or not, shape ``(images,)``.
        cells: the corrupted cells.
        wrong: whether the model erred, shape ``(blocks, cells)``.
    """

    path: Path
    settings: Settings
    keys: NDArray[np.str_]
    cells: list[Cell]
    wrong: NDArray[np.bool_]

    @property
    def plan(self) -> BlockPlan:
        """Which image was shown in which cell."""
        return plan_of(self.keys.tolist(), self.cells, self.settings.seed)

    @classmethod
    def open(cls, path: Path) -> "Passes":
        """Reads a result of a full run or of one with a chosen precision.

        Raises:
            ResultError: there is no such result, it is broken, or it is not on images or has clean images only.
        """
        return cls.of(Sample.open(path)) if is_sample(path) else cls._of_full_run(path)

    @classmethod
    def of(cls, sample: Sample) -> "Passes":
        """The passes of a run with a chosen precision."""
        return cls(sample.path, sample.result, sample.outcomes.keys, sample.result.keys, sample.wrong())

    @classmethod
    def _of_full_run(cls, path: Path) -> "Passes":
        result = read_result(path)
        outcomes = read_outcomes(path, result)
        rows = [row for row, (corruption, _) in enumerate(result.keys) if corruption != CLEAN]
        if not rows:
            raise ResultError(f"{path} has clean images only; runs are paired on corrupted ones")
        cells = [result.keys[row] for row in rows]
        images = plan_of(outcomes.keys.tolist(), cells, result.seed).images_by_cell(len(outcomes.keys))
        return cls(path, result, outcomes.keys, cells, outcomes.rank[rows, images] >= 1)


# What must be equal for the same pass of two runs to have shown the same pixels.
_SAME_PIXELS: dict[str, Callable[[Passes], Any]] = {
    "suite": lambda run: run.settings.suite.name,
    "severity scale": lambda run: run.settings.suite.scale,
    "geometry": lambda run: run.settings.suite.geometry,
    "codec (JPEG quality)": lambda run: run.settings.suite.jpeg_quality,
    "number of images": lambda run: run.settings.data.images,
    "names of the images": lambda run: run.keys.tolist(),
    "released files": lambda run: run.settings.data.released,
    "seed": lambda run: run.settings.seed,
    "cells": lambda run: run.cells,
}


def paired_differences(new: Passes, base: Passes) -> NDArray[np.int8]:
    """Outcome of the new model minus that of the base in the blocks that both have, shape ``(blocks, cells)``.

    Raises:
        ResultError: the runs did not show the same pixels; the message says what differs.
    """
    for what, setting in _SAME_PIXELS.items():
        if setting(new) != setting(base):
            ours, theirs = (shown(str(setting(run)), longest=80) for run in (new, base))
            raise ResultError(
                f"{new.path} and {base.path} cannot be paired: their {what} differ, {ours} against {theirs}; "
                "score both models alike"
            )
    blocks = min(len(new.wrong), len(base.wrong))
    return np.subtract(new.wrong[:blocks], base.wrong[:blocks], dtype=np.int8)
