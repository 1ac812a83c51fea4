"""Library versions on a trained model's card, and whether a finished training is asked for again."""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stormbench.errors import SettingsChangedError
from stormbench.versions import version_of

CHECKPOINT = "model.safetensors"
UNFINISHED = "training.unfinished"
_VERSIONS_OF = ("stormbench", "torch", "numpy")


def versions() -> dict[str, str]:
    """Of Python and the libraries that decide about the weights."""
    return {"python": platform.python_version()} | {name: version_of(name) for name in _VERSIONS_OF}


def refuse_another(path: Path, now: Mapping[str, Any], then: Mapping[str, Any]) -> None:
    """Refuses a finished model that was trained with other settings.

    Args:
        path: the model's file.
        now: settings of this run.
        then: those on the card.

    Raises:
        SettingsChangedError: one differs; the message names it.
    """
    for name in (name for name in now if now[name] != then.get(name)):
        changed = f"{path} was trained with {name} {then.get(name)}, this run has {now[name]}"
        raise SettingsChangedError(f"{changed}; choose another output or remove it")
