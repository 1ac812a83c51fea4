"""What a trained model's card says of data and libraries, and whether a finished training is asked for again."""

import importlib.metadata
import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stormbench.datasets import Geometry, ImageSet
from stormbench.datasets.inspection import inspect_images
from stormbench.errors import SettingsChangedError

CHECKPOINT = "model.safetensors"
UNFINISHED = "training.unfinished"
_VERSIONS_OF = ("stormbench", "torch", "numpy")


def data_record(images: ImageSet, geometry: Geometry | None) -> dict[str, Any]:
    """Name, number, fingerprint and classes of a training set; every image is decoded once.

    Raises:
        DataError: an image cannot be decoded.
    """
    return {
        "name": images.name,
        "images": len(images),
        "fingerprint": inspect_images(images, workers=0).fingerprint,
        "classes": list(images.classes),
        "geometry": asdict(geometry) if geometry else None,
    }


def versions() -> dict[str, str]:
    """Of Python and the libraries that decide about the weights."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in _VERSIONS_OF}


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
