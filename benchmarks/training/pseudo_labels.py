"""Pseudo-labels: what a teacher says of images without labels, in a file that names teacher and data."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stormbench.benchmarks.models.loading import load_model
from stormbench.benchmarks.training.loader import loader
from stormbench.datasets import Geometry, ImageSet
from stormbench.datasets.inspection import inspect_images
from stormbench.errors import DataError, InputError, SettingsChangedError
from stormbench.files import atomic_write

FILE = "pseudo-labels.json"
_BATCH = 128


@dataclass(frozen=True)
class PseudoLabels:
    """Classes that a teacher gave, the likeliest of each image; no threshold (arXiv 2002.10716).

    Attributes:
        data: name of the image set.
        fingerprint: of its images.
        teacher: as ``load_model`` spells it.
        teacher_digest: SHA-256 over its weights.
        classes: names, in the order of the labels.
        agreement: share of the images whose own label, where they have one, is the same; else None.
        labels: one for each image.
    """

    data: str
    fingerprint: str
    teacher: str
    teacher_digest: str
    classes: list[str]
    agreement: float | None
    labels: list[int]

    def array(self) -> NDArray[np.int64]:
        """The labels, ``(n,)``."""
        return np.array(self.labels, np.int64)


def pseudo_labels(
    teacher: str,
    images: ImageSet,
    classes: tuple[str, ...],
    path: Path,
    *,
    geometry: Geometry | None = None,
    device: str = "cpu",
) -> PseudoLabels:
    """Asks a teacher for the classes of images, once: what ``path`` holds is used again.

    Args:
        teacher: as ``load_model`` spells it.
        images: their own labels are only compared, never used.
        classes: of the labelled images; the teacher's classes are these, in this order.
        path: of the file.
        geometry: how images are brought to one size.
        device: where the teacher runs.

    Raises:
        InputError: the teacher has another number of classes.
        SettingsChangedError: the file is of another teacher, of other images or classes.
        DataError: the file cannot be read.
    """
    model = load_model(teacher, device=device)
    if model.num_classes != len(classes):
        raise InputError(f"the teacher {teacher} has {model.num_classes} classes, the labelled images {len(classes)}")
    fingerprint = inspect_images(images, workers=0).fingerprint
    wanted = {"fingerprint": fingerprint, "teacher_digest": model.digest, "classes": list(classes)}
    if path.exists():
        found = read_pseudo_labels(path)
        for name, value in wanted.items():
            if getattr(found, name) != value:
                raise SettingsChangedError(f"{path} is of another {name.replace('_', ' ')}; remove it to ask again")
        return found
    load = loader(images, images.labels, geometry, device)
    with torch.no_grad():
        batches = [model(load(each)[0]).argmax(dim=1).cpu() for each in torch.arange(len(images)).split(_BATCH)]
    labels = torch.cat(batches).numpy()
    same = float((labels == images.labels).mean()) if images.classes == classes else None
    made = PseudoLabels(images.name, fingerprint, teacher, model.digest, list(classes), same, labels.tolist())
    atomic_write(path, json.dumps(asdict(made)).encode())
    return made


def read_pseudo_labels(path: Path) -> PseudoLabels:
    """Reads the file.

    Raises:
        DataError: it is not what it should be.
    """
    try:
        document = json.loads(path.read_bytes())
        return PseudoLabels(**{field.name: document[field.name] for field in fields(PseudoLabels)})
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path} is no file of pseudo-labels; remove it to ask the teacher again") from None
