"""Finds the baseline that a run is normalised by."""

from pathlib import Path

from stormbench.benchmarks.analysis.resampling import complete_corruptions
from stormbench.benchmarks.results.documents import is_sequence_result
from stormbench.benchmarks.results.images import Result, read_result
from stormbench.benchmarks.results.sequences import SequenceResult, read_sequence_result
from stormbench.benchmarks.suites.corruptions import SUITES
from stormbench.cells import CLEAN, SEVERITIES
from stormbench.errors import InputError
from stormbench.metrics.baselines import Baseline, load_baseline

ADVICE = (
    "mFR and mT5D are measured against AlexNet; no source confirms its figures on sequences, so none ship: "
    "score it yourself (stormbench score torchvision:alexnet --suite {suite} ...) and pass --baseline RESULT.json."
)


def find_sequence_baseline(name_or_path: str) -> Baseline:
    """A baseline by name, from a file, or made of a result file.

    Raises:
        InputError: it is none of these, or holds no flip probabilities.
        ResultError: the result file is broken.
    """
    path = Path(name_or_path)
    baseline = as_sequence_baseline(read_sequence_result(path)) if is_sequence_result(path) else load_baseline(path)
    if not baseline.flip_probability:
        raise InputError(f"the baseline {baseline.name} has no flip probabilities. {ADVICE.format(suite='imagenet-p')}")
    return baseline


def as_sequence_baseline(result: SequenceResult) -> Baseline:
    """The figures of a run at level 1 as what other runs are measured against."""
    cells = [cell for cell in result.cells if cell.level == 1]
    source = f"measured: {result.model.source} on {result.data.images} images of {result.data.name}, run {result.run}"
    distances = {cell.perturbation: cell.top5_distance for cell in cells if cell.top5_distance is not None}
    return Baseline.model_validate(
        {
            "name": result.run,
            "suite": result.suite.name,
            "sources": {"flip_probability": source} | ({"top5_distance": source} if distances else {}),
            "flip_probability": {cell.perturbation: cell.flip_probability for cell in cells},
        }
        | ({"top5_distance": distances} if distances else {})
    )


def suite_baseline(suite: str) -> Baseline | None:
    """What the literature measures a suite against; None for suites that report plain mean errors, and for others'."""
    name = SUITES[suite].baseline if suite in SUITES else None
    return load_baseline(name) if name else None


def find_baseline(name_or_path: str) -> Baseline:
    """A baseline by name, from a file, or made of a result file: the errors of a measured run.

    Raises:
        InputError: it is none of these.
        ResultError: the result file is broken.
    """
    path = Path(name_or_path)
    if path.suffix == ".json" and path.is_file() and b'"schema_version"' in path.read_bytes():
        return as_baseline(read_result(path))
    return load_baseline(name_or_path)


def as_baseline(result: Result) -> Baseline:
    """The errors of a run as what other runs are measured against."""
    errors = {(cell.corruption, cell.severity): cell.error for cell in result.cells}
    table = {name: [errors[name, severity] for severity in SEVERITIES] for name in complete_corruptions(errors)}
    clean = result.cell(CLEAN, 0)
    source = f"measured: {result.model.source} on {result.data.images} images of {result.data.name}, run {result.run}"
    sources = {"errors": source} | ({"clean": source} if clean else {})
    given = {"clean": clean.error} if clean else {}
    return Baseline.model_validate(
        {"name": result.run, "suite": result.suite.name, "sources": sources, "errors": table, **given}
    )
