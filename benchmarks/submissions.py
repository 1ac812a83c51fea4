"""Taking in a result from somebody else: everything in it must add up before it is filed."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stormbench.benchmarks.outcomes import Outcomes
from stormbench.benchmarks.plain_text import shown
from stormbench.benchmarks.results import CLEAN, Result, read_outcomes, read_result
from stormbench.benchmarks.summary import Summary, suite_baseline, summarise
from stormbench.corruptions import CORRUPTIONS
from stormbench.errors import ResultError
from stormbench.files import write_whole

# Clocks differ; a result from further in the future was not scored yet.
_TOLERATED = timedelta(days=1)


def add_result(path: Path, folder: Path) -> tuple[Path, Summary]:
    """Checks a result in full and copies it, with its outcomes, into a folder of its own.

    Args:
        path: the submitted result file; its outcomes lie beside it.
        folder: where results are kept.

    Returns:
        Where the result lies now, and all its figures, recomputed.

    Raises:
        ResultError: something does not add up; the message says what.
    """
    result = read_result(path)
    outcomes = read_outcomes(path, result)
    if doubt := implausible(result, outcomes):
        raise ResultError(f"{path} is refused: {doubt}")
    _refuse_copies(path, result, folder)
    summary = summarise(path, result, suite_baseline(result.suite.name))
    place = folder / f"{_slug(result.run)}-{str(result.seal)[:12]}"
    beside = path.parent / Path(result.outcomes.file).name
    write_whole(place / beside.name, beside.read_bytes(), durable=True)
    write_whole(place / "result.json", path.read_bytes(), durable=True)
    return place / "result.json", summary


def implausible(result: Result, outcomes: Outcomes) -> str | None:
    """What cannot be in a result that agrees with itself in form, or None.

    Args:
        result: read by ``read_result``.
        outcomes: read by ``read_outcomes``, so that the counts are known to follow from them.
    """
    digests = (result.model.digest, result.data.fingerprint, result.outcomes.sha256)
    strange = [cell.corruption for cell in result.cells if cell.corruption not in (CLEAN, *CORRUPTIONS)]
    misplaced = [cell for cell in result.cells if (cell.corruption == CLEAN) != (cell.severity == 0)]
    checks = {
        "it has no seal; score the model anew": result.seal is None,
        "a digest of one repeated digit is no digest": any(len(set(digest)) == 1 for digest in digests),
        "there is no cell in it": not result.cells,
        f"there is no corruption {shown(', '.join(strange), longest=80)}": bool(strange),
        "severity 0 is for clean images, and they have no other": bool(misplaced),
        f"it was scored in the future, at {result.created}": _in_the_future(result.created),
        "an image was both scored and skipped": bool(set(result.data.skipped) & set(outcomes.keys.tolist())),
        f"its outcomes are named {shown(result.outcomes.file, longest=80)}": not _is_plain(result.outcomes.file),
    }
    return next((doubt for doubt, holds in checks.items() if holds), None)


def _in_the_future(created: datetime) -> bool:
    aware = created if created.tzinfo else created.replace(tzinfo=UTC)
    return aware > datetime.now(UTC) + _TOLERATED


def _is_plain(name: str) -> bool:
    return bool(re.fullmatch(r"[\w=,@ +-][\w=,.@ +-]{0,200}\.npz", name)) and Path(name).name == name


def _refuse_copies(path: Path, result: Result, folder: Path) -> None:
    for other in sorted(folder.rglob("*.json")):
        if other.parent.suffix != ".unfinished" and other.resolve() != path.resolve():
            filed = read_result(other)
            if filed.outcomes.sha256 == result.outcomes.sha256:
                raise ResultError(f"{path} is refused: {other} has the very same outcomes")


def _slug(run: str) -> str:
    return re.sub(r"[^\w=,-]+", "-", run, flags=re.ASCII).strip("-")[:80] or "run"
