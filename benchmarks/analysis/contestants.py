"""Common view of image and sequence runs for `compare`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.analysis.baselines import suite_baseline
from stormbench.benchmarks.analysis.figures import Figures, sampled_figures
from stormbench.benchmarks.analysis.resampling import Resampled
from stormbench.benchmarks.analysis.sequence_summary import summarise_sequences
from stormbench.benchmarks.results.attack_outcomes import ATTACKERS
from stormbench.benchmarks.results.attacks import AdversarialRecord
from stormbench.benchmarks.results.documents import is_sequence_result
from stormbench.benchmarks.results.images import read_attack, read_outcomes, read_result
from stormbench.benchmarks.results.sequences import read_sequence_outcomes, read_sequence_result
from stormbench.benchmarks.results.settings import Settings
from stormbench.cells import Cell
from stormbench.metrics.baselines import Baseline

Wrong = NDArray[np.bool_]


@dataclass(frozen=True)
class Contestant:
    """One run.

    Attributes:
        path: the result file.
        result: what was run.
        keys: the images, in the order of the outcomes.
        cells: what was scored.
        baseline: what its figures are measured against.
        figures: all figures on some of the cells, as observed and in resamples that runs on the same images share.
        wrong: which images were misclassified in some of the cells, shape ``(cells, images)``; None for sequences.
        resamples: number of bootstrap resamples.
        adversarial: what an adversary left.
        robust: which images stayed right under the worst attack, shape ``(images,)``; None where only counts were kept.
    """

    path: Path
    result: Settings
    keys: NDArray[np.str_]
    cells: list[Cell]
    baseline: Baseline | None
    figures: Callable[[Sequence[Cell]], Figures]
    wrong: Callable[[Sequence[Cell]], Wrong] | None
    resamples: int
    adversarial: AdversarialRecord | None = None
    robust: NDArray[np.bool_] | None = None


ARITHMETIC = "arithmetic (precision, compilation, layout)"

# What must be equal for two runs to be compared, and what to say where it is not: the pixels, and how they were judged.
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


def pixel_settings(result: Settings) -> dict[str, Any]:
    """Everything that runs must agree in to be paired: what their pixels depend on, and the models' arithmetic."""
    return {what: setting(result) for what, setting in _SAME_PIXELS.items()}


def read_contestant(path: Path, baseline: Baseline | None, resamples: int) -> Contestant:
    """Reads a result of either kind, with its outcomes.

    Args:
        path: the result file.
        baseline: what to normalise by; by default the suite's.
        resamples: number of bootstrap resamples.

    Raises:
        ResultError: the result is broken.
    """
    return (_of_sequences if is_sequence_result(path) else _of_images)(path, baseline, resamples)


def _of_images(path: Path, baseline: Baseline | None, resamples: int) -> Contestant:
    result = read_result(path)
    outcomes = read_outcomes(path, result)
    attacked = read_attack(path, result)
    found = attacked.under(result.adversarial, *ATTACKERS) if attacked and result.adversarial else None
    baseline = baseline or suite_baseline(result.suite.name)
    cells = [(cell.corruption, cell.severity) for cell in result.cells]
    return Contestant(
        path,
        result,
        outcomes.keys,
        cells,
        baseline,
        figures=lambda wanted: sampled_figures(Resampled.of(result, outcomes, resamples).only(wanted), baseline),
        wrong=lambda wanted: outcomes.rank[[cells.index(cell) for cell in wanted]] >= 1,
        resamples=resamples,
        adversarial=result.adversarial,
        robust=found[0] if found else None,
    )


def _of_sequences(path: Path, baseline: Baseline | None, resamples: int) -> Contestant:
    result = read_sequence_result(path)

    def figures(_: Sequence[Cell]) -> Figures:
        summary = summarise_sequences(path, result, baseline, resamples=resamples)
        return Figures(dict(summary.samples), dict(summary.by_perturbation), summary.notes)

    keys = read_sequence_outcomes(path, result).keys
    return Contestant(path, result, keys, list(result.keys), baseline, figures, wrong=None, resamples=resamples)
