"""Finds the baseline that a run is normalised by."""

from pathlib import Path

from stormbench.benchmarks.analysis.resampling import complete_corruptions
from stormbench.benchmarks.results.documents import kind_of, read_document
from stormbench.benchmarks.results.run import ImageRun, Run, SequenceRun
from stormbench.benchmarks.suites.corruptions import CorruptionSuite
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.benchmarks.suites.sequences import SequenceSuite
from stormbench.cells import CLEAN, SEVERITIES
from stormbench.errors import InputError, ResultError
from stormbench.metrics.baselines import Baseline, load_baseline

ADVICE = (
    "mFR and mT5D are measured against AlexNet; no source confirms its figures on sequences, so none ship: "
    "score it yourself (stormbench score torchvision:alexnet --suite {suite} ...) and pass --baseline RESULT.json."
)


def suite_baseline(suite: str) -> Baseline | None:
    """What the literature measures a suite against; None for suites that report plain mean errors, and for others'."""
    found = SUITES.get(suite)
    name = found.baseline if isinstance(found, CorruptionSuite) else None
    return load_baseline(name) if name else None


def find_baseline(name_or_path: str, suite: str | None = None) -> Baseline:
    """A baseline by name, from a file, or made of a result file: the figures of a measured run.

    Args:
        name_or_path: its name, or a file.
        suite: that it has to belong to; None where that is checked later.

    Raises:
        InputError: it is none of these, or belongs to another suite.
        ResultError: the result file is broken.
    """
    path = Path(name_or_path)
    baseline = as_baseline(Run.open(path)) if _is_result(path) else load_baseline(name_or_path)
    if suite is not None:
        check_suite(baseline, suite)
    return baseline


def _is_result(path: Path) -> bool:
    if path.suffix != ".json" or not path.is_file():
        return False
    try:
        return kind_of(path) == "sequences" or "schema_version" in read_document(path)
    except ResultError:
        return False


def check_suite(baseline: Baseline, suite: str) -> None:
    """Refuses a baseline whose figures were taken on another suite than the run's.

    Raises:
        InputError: they were; the message names both suites.
    """
    if baseline.suite == suite:
        return
    if suite in SUITES and isinstance(SUITES[suite], SequenceSuite) and not baseline.flip_probability:
        raise InputError(f"the baseline {baseline.name} has no flip probabilities. {ADVICE.format(suite=suite)}")
    raise InputError(
        f"the baseline {baseline.name} is of {baseline.suite}, this run of {suite}: errors are divided by errors on "
        f"the same suite; score a baseline on {suite} and pass its result"
    )


def as_baseline(run: Run) -> Baseline:
    """The figures of a run as what other runs are measured against; of sequences, those at level 1."""
    result = run.result
    source = f"measured: {result.model.source} on {result.data.images} images of {result.data.name}, run {result.run}"
    given = _of_sequences(run) if isinstance(run, SequenceRun) else _of_images(run)  # type: ignore[arg-type]
    kinds = {"name": result.run, "suite": result.suite.name, "sources": dict.fromkeys(given, source)}
    return Baseline.model_validate(kinds | given)


def _of_images(run: ImageRun) -> dict[str, object]:
    errors = {(cell.corruption, cell.severity): cell.error for cell in run.result.cells}
    table = {name: [errors[name, severity] for severity in SEVERITIES] for name in complete_corruptions(errors)}
    clean = run.result.cell(CLEAN, 0)
    return {"errors": table} | ({"clean": clean.error} if clean else {})


def _of_sequences(run: SequenceRun) -> dict[str, object]:
    cells = [cell for cell in run.result.cells if cell.level == 1]
    distances = {cell.perturbation: cell.top5_distance for cell in cells if cell.top5_distance is not None}
    flips = {cell.perturbation: cell.flip_probability for cell in cells}
    table: dict[str, object] = {"flip_probability": flips}
    return table | ({"top5_distance": distances} if distances else {})
