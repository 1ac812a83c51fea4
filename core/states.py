"""The state of an unfinished training as a file, and the check of a loss: shared by every trainer."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stormbench.errors import ModelError, SettingsChangedError
from stormbench.files import atomic_write, start_of


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Writes a state whole or not at all, and waits until the disk has it."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    atomic_write(path, buffer.getvalue(), durable=True)


def read_state(path: Path, settings: dict[str, Any], device: torch.device | str) -> dict[str, Any]:
    """Reads a state without running code from it.

    Args:
        path: what ``write_state`` wrote.
        settings: of this run; the state's own, under ``"settings"``, must be the same.
        device: where its tensors go.

    Raises:
        ModelError: the file is damaged, or no regular one.
        SettingsChangedError: it was made with other settings.
    """
    start_of(path, "state")
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        then = state["settings"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        raise ModelError(f"{path} is no state of an unfinished training; remove it to start anew") from None
    if then != settings:
        names = [name for name in settings if settings[name] != then.get(name)] or ["settings"]
        raise SettingsChangedError(
            f"{path} was made with { ({name: then.get(name) for name in names}) }, this run has "
            f"{ ({name: settings.get(name) for name in names}) }; choose another output or remove it"
        )
    return state


def check_loss(loss: Tensor, where: str) -> None:
    """Refuses a loss that is infinite or not a number.

    Raises:
        ModelError: so it is; the message says where.
    """
    if not loss.isfinite():
        raise ModelError(f"the loss became {loss.item()} in {where}; a lower rate may help")
