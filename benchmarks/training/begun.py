"""Keeps what an interrupted training was begun on, and refuses to continue it on anything else."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stormbench.datasets import Geometry, ImageSet
from stormbench.datasets.inspection import inspect_images
from stormbench.errors import ModelError
from stormbench.execution.journal import refuse_changes
from stormbench.files import atomic_write


def images_record(images: ImageSet, geometry: Geometry | None) -> dict[str, Any]:
    """What tells the images of a training apart: their name, number, fingerprint, classes and geometry."""
    record = {
        "name": images.name,
        "images": len(images),
        "fingerprint": inspect_images(images, workers=0).fingerprint,
        "classes": list(images.classes),
        "geometry": json.loads(json.dumps(asdict(geometry))) if geometry else None,  # as a card has it
    }
    read_back: dict[str, Any] = json.loads(json.dumps(record))  # as a file gives it: lists, no tuples
    return read_back


def check_begun(state: Path, inputs: Mapping[str, Any]) -> None:
    """Notes what a training is begun on, in a file beside its state; compares it where there is a state already.

    Args:
        state: of the unfinished training.
        inputs: images, geometry, networks, as JSON values.

    Raises:
        SettingsChangedError: the state comes from other inputs; the message names the first that differs.
        ModelError: the note is damaged.
    """
    note = note_of(state)
    now = json.loads(json.dumps(inputs))
    if state.exists() and note.exists():
        try:
            then = json.loads(note.read_bytes())
        except ValueError:
            raise ModelError(f"{note} is damaged; remove it and {state} to start anew") from None
        refuse_changes(then, now, where=str(state))
    atomic_write(note, json.dumps(now, indent=1).encode(), durable=True)


def forget(state: Path) -> None:
    """Removes the state of a training that is finished, and the note beside it."""
    state.unlink(missing_ok=True)
    note_of(state).unlink(missing_ok=True)


def note_of(state: Path) -> Path:
    """Where it is noted what the training of a state was begun on."""
    return state.with_name(f"{state.name}.inputs.json")
