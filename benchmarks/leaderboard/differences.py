"""What distinguishes boards of one title: the settings in which their runs differ."""

from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from pydantic import BaseModel

from stormbench.benchmarks.leaderboard.entries import Entry
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.run import ARITHMETIC, Run
from stormbench.cells import CLEAN

_SHORTER = {"images (fingerprint)": "fingerprint", "codec (JPEG quality)": "JPEG quality", ARITHMETIC: "arithmetic"}
_NAMED_AT_MOST = 5
_DIGITS_OF_DIGESTS = 12


def differences(runs: Sequence[Entry]) -> list[str]:
    """Names the settings that are not the same for all runs, with the value that each run has.

    Args:
        runs: one of each board.

    Returns:
        For each run a text such as ``seed 1; severities 1, 3``; empty where no setting differs.
    """
    settings = [_settings(run) for run in runs]
    differing = [what for what in settings[0] if any(each.get(what) != settings[0][what] for each in settings)]
    return ["; ".join(f"{what} {_said(each.get(what))}" for what in differing) for each in settings]


def _settings(run: Entry) -> dict[str, Any]:
    pixels = Run(run.path, run.result).pixels
    corrupted = [cell for cell in run.result.keys if cell[0] != CLEAN]
    found = getattr(run.result, "adversarial", None)
    attacked = {"attacked images": found.images, "radius": found.eps} if found else {}
    return {
        **{_SHORTER.get(what, what): value for what, value in pixels.items()},
        "corruptions": tuple(sorted({name for name, _ in corrupted})),
        "severities": tuple(sorted({severity for _, severity in corrupted})),
        "clean images": "scored" if len(corrupted) < len(run.result.keys) else "not scored",
        **attacked,
    }


def _said(value: Any) -> str:
    if isinstance(value, BaseModel) or is_dataclass(value):
        fields = value.model_dump() if isinstance(value, BaseModel) else asdict(value)  # type: ignore[arg-type]
        return ", ".join(f"{name} {each}" for name, each in fields.items() if each is not None) or "none"
    if isinstance(value, tuple):
        named = shown(", ".join(map(str, value)), longest=120)
        return named if len(value) <= _NAMED_AT_MOST else f"({len(value)} of them)"
    if isinstance(value, str):
        return shown(value[:_DIGITS_OF_DIGESTS])
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
