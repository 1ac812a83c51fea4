"""Results of a folder, read and brought to one form that boards, tables and charts share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from stormbench.benchmarks.analysis.baselines import find_baseline, suite_baseline
from stormbench.benchmarks.analysis.image_summary import ImageSummary, summarise_images
from stormbench.benchmarks.analysis.sequence_summary import SequenceSummary, summarise_sequences
from stormbench.benchmarks.leaderboard.columns import Figure, measured
from stormbench.benchmarks.leaderboard.sampled_entries import MARK, sampled_figures
from stormbench.benchmarks.results.documents import kind_of
from stormbench.benchmarks.results.images import Result
from stormbench.benchmarks.results.run import ImageRun, Run, SequenceRun
from stormbench.benchmarks.results.samples import Sample, SampledResult, is_sample
from stormbench.benchmarks.results.sequences import SequenceResult
from stormbench.benchmarks.results.tradeoffs import KIND
from stormbench.benchmarks.results.verifications import Verification, read_verification
from stormbench.cells import CLEAN
from stormbench.errors import ResultError
from stormbench.metrics.baselines import BASELINES, Baseline
from stormbench.metrics.estimates import Estimate, Sampled, sampled_share

RESAMPLES = 1000

Read = TypeVar("Read")


@dataclass(frozen=True)
class Cells:
    """Every cell of a run as a table.

    Attributes:
        caption: what stands above it.
        headings: of its columns, after that of the names.
        rows: by the name of a corruption or perturbation one figure a column, or None.
    """

    caption: str
    headings: list[str]
    rows: dict[str, list[Figure | None]]


@dataclass(frozen=True)
class Entry:
    """One result.

    Attributes:
        path: the result file.
        result: what it holds.
        pixels: runs with equal ones can be ranked against each other.
        figures: by the key of their column.
        samples: of some of them, as observed and then in resamples that runs on the same pixels share.
        cells: every cell.
        by_name: the figure of each corruption or perturbation that a heat map shows.
        by_name_title: what that figure is.
        curve: mean error by severity.
        verdict: of an adversarial evaluation, with its reason.
        baseline: the name of what it is measured against; empty for plain means.
        is_literature: whether that is the very baseline that published figures are measured against.
        notes: what could not be computed, and why.
        verification: what ``stormbench verify`` found.
    """

    path: Path
    result: Result | SequenceResult | SampledResult
    pixels: str
    figures: dict[str, Figure]
    samples: Mapping[str, Sampled]
    cells: Cells
    by_name: dict[str, Estimate] = field(default_factory=dict)
    by_name_title: str = ""
    curve: dict[int, Estimate] = field(default_factory=dict)
    verdict: str = ""
    baseline: str = ""
    is_literature: bool = False
    notes: tuple[str, ...] = ()
    verification: Verification | None = None


def read_entries(
    folder: Path, baselines: Mapping[str, Baseline] | None = None, broken: list[str] | None = None
) -> list[Entry]:
    """Reads all results in a folder and its sub-folders, checks them against their outcomes, and computes all figures.

    Args:
        folder: where the results are.
        baselines: what to normalise by, by the name of the suite; by default the baseline that the suite has.
        broken: takes what is wrong with results and records of verifications that are broken, which are left out.

    Raises:
        ResultError: there is no result, all are broken, or one of them is and ``broken`` is None.
    """
    if folder.is_file():
        raise ResultError(f"{folder} is a file; the folder that it lies in is wanted: {folder.parent}")
    paths = result_files(folder)
    if not paths:
        raise ResultError(f"there is no result (*.json) in {folder}; `stormbench score ... -o {folder}` makes one")
    with threadpool_limits(1):  # threads that wait for each other at every small product cost more than they bring
        read = [or_named(lambda path: read_entry(path, baselines or {}), path, broken) for path in paths]
    entries = [
        replace(entry, verification=or_named(read_verification, entry.path, broken))
        for entry in read
        if entry is not None
    ]
    if not entries:
        raise ResultError(f"none of the {len(paths)} results in {folder} can be used: {'; '.join(broken or ())}")
    return entries


def or_named(read: Callable[[Path], Read], path: Path, broken: list[str] | None) -> Read | None:
    """What a reader makes of a file; None where it is broken, which is then added to the list that there has to be.

    Raises:
        ResultError: the file is broken, and there is no list.
    """
    try:
        return read(path)
    except ResultError as error:
        if broken is None:
            raise
        broken.append(str(error))
        return None


def find_baselines(names: Sequence[str]) -> dict[str, Baseline]:
    """Baselines by name, from files, or made of result files of any kind; by the suite that each belongs to.

    Raises:
        InputError: one of them is none of these.
        ResultError: a result file is broken.
    """
    return {baseline.suite: baseline for baseline in map(find_baseline, names)}


def result_files(folder: Path) -> list[Path]:
    """The result files in a folder and its sub-folders, but not those of unfinished runs, and no trade-offs."""
    found = folder.rglob("*.json")
    finished = sorted(path for path in found if not any(parent.suffix == ".unfinished" for parent in path.parents))
    return [path for path in finished if kind_of(path) != KIND]


def read_entry(path: Path, baselines: Mapping[str, Baseline]) -> Entry:
    """Reads one result of any kind.

    Raises:
        ResultError: it is broken.
    """
    if is_sample(path):
        return _of_sample(Sample.open(path))
    run = Run.open(path)
    if isinstance(run, SequenceRun):
        return _of_sequences(run, baselines)
    return _of_images(run, baselines)


def _of_sample(sample: Sample) -> Entry:
    figures, corruptions, note = sampled_figures(sample)
    ce = "mce" in figures
    rows: dict[str, list[Figure | None]] = {name: [_percent(found)] for name, found in corruptions.items()}
    return Entry(
        sample.path,
        sample.result,
        pixels=repr((MARK, Run(sample.path, sample.result).pixels, sorted(sample.result.keys))),
        figures=figures,
        samples={},
        cells=Cells("By corruption, in percent, with 95 % intervals", ["CE" if ce else "mean error"], rows),
        by_name=corruptions,
        by_name_title="CE" if ce else "The mean error over the five severities, in percent",
        baseline="alexnet" if ce else "",
        is_literature=ce,
        notes=(note,),
    )


def _of_images(run: ImageRun, baselines: Mapping[str, Baseline]) -> Entry:
    result = run.result
    baseline = baselines.get(result.suite.name) or suite_baseline(result.suite.name)
    summary = summarise_images(run, baseline, resamples=RESAMPLES)
    normalised = bool(summary.corruption_errors)
    against = "AlexNet's" if _is_alexnet(baseline) else "the baseline's"
    return Entry(
        run.path,
        result,
        pixels=repr((run.pixels, sorted(summary.errors), _adversary(result))),
        figures=_figures(summary.figures),
        samples=dict(summary.samples) | _robust_samples(run.robust),
        cells=_image_cells(summary),
        by_name=summary.corruption_errors or summary.corruption_means,
        by_name_title=f"CE: the errors at the five severities over {against}, in percent"
        if normalised
        else "The mean error over the five severities, in percent",
        curve=summary.severity_means,
        baseline=baseline.name if baseline and normalised else "",
        is_literature=normalised and _is_alexnet(baseline),
        verdict=f"{result.adversarial.verdict}: {result.adversarial.reason}" if result.adversarial else "",
        notes=summary.notes if any(name != CLEAN for name, _ in summary.errors) else (),
    )


def _robust_samples(robust: NDArray[np.bool_] | None) -> dict[str, Sampled]:
    return {} if robust is None else {"robust_accuracy": sampled_share(robust, RESAMPLES)}


def _is_alexnet(baseline: Baseline | None) -> bool:
    """Whether a baseline is the one that published figures are measured against, by its content and not by its name."""
    if baseline is None or baseline in BASELINES.values():
        return baseline is not None
    return all(source.startswith("measured: torchvision:alexnet@") for source in baseline.sources.values())


def _adversary(result: Result) -> tuple[Any, ...]:
    found = result.adversarial
    return (found.norm, found.eps, found.budget, found.images) if found else ()


def _image_cells(summary: ImageSummary) -> Cells:
    severities = sorted({severity for name, severity in summary.errors if name != CLEAN})
    ce = summary.corruption_errors
    rows = {
        name: [
            *(_percent(summary.errors.get((name, severity))) for severity in severities),
            *([_percent(ce.get(name))] if ce else []),
        ]
        for name in summary.corruptions
    }
    headings = [*(f"severity {severity}" for severity in severities), *(["CE"] if ce else [])]
    return Cells("Top-1 error in percent, with 95 % intervals, by corruption and severity", headings, rows)


def _of_sequences(run: SequenceRun, baselines: Mapping[str, Baseline]) -> Entry:
    summary = summarise_sequences(run, baselines.get(run.result.suite.name), resamples=RESAMPLES)
    at_level_1 = {name: flips for (name, level), flips in summary.flip_probability.items() if level == 1}
    return Entry(
        run.path,
        run.result,
        pixels=repr((run.pixels, sorted(run.cells))),
        figures=_figures(summary.figures),
        samples=summary.samples,
        cells=_sequence_cells(summary),
        by_name=summary.flip_rate or at_level_1,
        by_name_title="Flip rate: the flip probability over the baseline's, in percent"
        if summary.flip_rate
        else "Flip probability, in percent",
        baseline=summary.baseline.name if summary.baseline else "",
        is_literature=_is_alexnet(summary.baseline),
        notes=summary.notes,
    )


def _sequence_cells(summary: SequenceSummary) -> Cells:
    distances = summary.top5_distance
    rows: dict[str, list[Figure | None]] = {
        f"{name}, level {level}": [
            measured("flip_probability", flips),
            *([measured("top5_distance", distances[name, level])] if distances else []),
        ]
        for (name, level), flips in summary.flip_probability.items()
    }
    headings = ["flip probability, %", *(["top-5 distance"] if distances else [])]
    return Cells("Stability by perturbation and level, with 95 % intervals", headings, rows)


def _figures(estimates: Mapping[str, Estimate]) -> dict[str, Figure]:
    return {key: measured(key, estimate) for key, estimate in estimates.items()}


def _percent(estimate: Estimate | None) -> Figure | None:
    return measured("mean_error", estimate) if estimate else None
