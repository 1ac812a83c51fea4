"""Taking in a result from somebody else: everything in it must add up before it is filed."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stormbench.benchmarks.analysis.tradeoff import results_of
from stormbench.benchmarks.leaderboard.curves import Curve, read_curve
from stormbench.benchmarks.leaderboard.entries import Entry, read_entry, result_files
from stormbench.benchmarks.results.attacks import verdict_of
from stormbench.benchmarks.results.images import Result
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.run import ImageRun, Run
from stormbench.benchmarks.results.samples import Sample, SampledResult, is_sample
from stormbench.benchmarks.results.sequences import SequenceResult
from stormbench.benchmarks.suites.weights import weighting
from stormbench.cells import CLEAN
from stormbench.corruptions import CORRUPTIONS
from stormbench.errors import ResultError
from stormbench.files import atomic_write, file_digest

# Clocks differ; a result from further in the future was not scored yet.
_TOLERATED = timedelta(days=1)


def add_result(path: Path, folder: Path) -> Entry:
    """Checks a result in full and copies it, with its outcomes, into a folder of its own.

    Args:
        path: the submitted result file, of any kind; its outcomes lie beside it.
        folder: where results are kept.

    Returns:
        The result where it lies now, with all its figures, recomputed from its outcomes.

    Raises:
        ResultError: something does not add up; the message says what.
    """
    result = _accepted(path, folder)
    place = folder / f"{_slug(result.run)}-{str(result.seal)[:12]}"
    _copy(path, result, place / "result.json")
    return read_entry(place / "result.json", {})


def _accepted(path: Path, folder: Path) -> Result | SequenceResult | SampledResult:
    result = read_entry(path, {}).result  # which checks it against its seal, its outcomes and its counts
    if doubt := implausible(result) or _strange_verdict(path, result):
        raise ResultError(f"{path} is refused: {doubt}")
    if isinstance(result, SampledResult):
        _refuse_chosen_stops(path, result)
    _refuse_copies(path, result.outcomes.sha256, folder)
    return result


def _copy(path: Path, result: Result | SequenceResult | SampledResult, target: Path) -> None:
    """The outcomes and then the result, each whole."""
    beside = path.parent / result.outcomes.file
    atomic_write(target.parent / beside.name, beside.read_bytes(), durable=True)
    atomic_write(target, path.read_bytes(), durable=True)


def add_curve(path: Path, folder: Path) -> Curve:
    """Checks a trade-off and every result that it was made of, and files them together.

    Args:
        path: the submitted trade-off file; its results lie in the folder beside it that bears its name.
        folder: where results are kept.

    Raises:
        ResultError: something does not add up, or a result is missing; the message says which.
    """
    curve = read_curve(path)
    if curve.recounted < len(curve.points):
        raise ResultError(f"{path} is refused: the results that it was made of do not all lie beside it")
    places = sorted({place for point in curve.points for place in results_of(path, curve.tradeoff, point)})
    results = {place: _accepted(place, folder) for place in places}
    place = folder / f"{_slug(curve.tradeoff.name)}-{file_digest(path)[:12]}"
    for result_path, result in results.items():
        _copy(result_path, result, place / curve.tradeoff.name / result_path.name)
    atomic_write(place / f"{_slug(curve.tradeoff.name)}.tradeoff.json", path.read_bytes(), durable=True)
    return read_curve(place / f"{_slug(curve.tradeoff.name)}.tradeoff.json")


def implausible(result: Result | SequenceResult | SampledResult) -> str | None:
    """What cannot be in a result that agrees with itself, or None."""
    digests = (result.model.digest, result.data.fingerprint, result.outcomes.sha256)
    checks = {
        "it has no seal; score the model anew": result.seal is None,
        "a digest of one repeated digit is no digest": any(len(set(digest)) == 1 for digest in digests),
        f"it was scored in the future, at {result.created}": _in_the_future(result.created),
        f"its outcomes are named {shown(result.outcomes.file, longest=80)}": not _is_plain(result.outcomes.file),
    }
    doubts = [doubt for doubt, holds in checks.items() if holds]
    return next(iter(doubts), _strange_cells(result) if isinstance(result, Result) else None)


def _strange_cells(result: Result) -> str | None:
    if strange := [cell.corruption for cell in result.cells if cell.corruption not in (CLEAN, *CORRUPTIONS)]:
        return f"there is no corruption {shown(', '.join(strange), longest=80)}"
    if any((cell.corruption == CLEAN) != (cell.severity == 0) for cell in result.cells):
        return "severity 0 is for clean images, and they have no other"
    return None


def _strange_verdict(path: Path, result: Result | SequenceResult | SampledResult) -> str | None:
    record = result.adversarial if isinstance(result, Result) else None
    if record is None or not isinstance(result, Result):
        return None
    if (attacked := ImageRun(path, result).attack) is None:
        return "it was attacked when only counts were kept, which nothing can be held against; attack the model anew"
    allowed = verdict_of(record, attacked, result.model.classes)
    said = shown(record.verdict, longest=40)
    return None if allowed == record.verdict else f"its verdict is {said!r}, its outcomes say {allowed!r}"


def _refuse_chosen_stops(path: Path, result: SampledResult) -> None:
    if strange := [cell.corruption for cell in result.cells if cell.corruption not in CORRUPTIONS]:
        raise ResultError(f"{path} is refused: there is no corruption {shown(', '.join(strange), longest=80)}")
    stop = Sample.open(path).stop_by_rule(weighting(result.suite.name, result.keys).weights)
    if result.plan.blocks != stop:
        raise ResultError(f"{path} is refused: it has {result.plan.blocks} blocks, and had to stop after {stop}")


def _in_the_future(created: datetime) -> bool:
    aware = created if created.tzinfo else created.replace(tzinfo=UTC)
    return aware > datetime.now(UTC) + _TOLERATED


def _is_plain(name: str) -> bool:
    return bool(re.fullmatch(r"[\w=,@ +-][\w=,.@ +-]{0,200}\.npz", name)) and Path(name).name == name


def _refuse_copies(path: Path, outcomes: str, folder: Path) -> None:
    for other in result_files(folder):
        if other.resolve() != path.resolve() and _outcomes_of(other) == outcomes:
            raise ResultError(f"{path} is refused: {other} has the very same outcomes")


def _slug(run: str) -> str:
    return re.sub(r"[^\w=,-]+", "-", run, flags=re.ASCII).strip("-")[:80] or "run"


def _outcomes_of(path: Path) -> str:
    """The digest of a filed result's outcomes; empty where it is broken: no board shows it, and each names it."""
    try:
        result = Sample.open(path).result if is_sample(path) else Run.open(path).result
    except ResultError:
        return ""
    return str(result.outcomes.sha256)
