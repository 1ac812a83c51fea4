"""Opens the model and the images of a run."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stormbench.benchmarks.models.loading import load_model
from stormbench.benchmarks.models.model import Model
from stormbench.datasets import ImageSet, match_classes, open_images
from stormbench.datasets.inspection import Inspection, decodable_images, inspect_images, names_fingerprint
from stormbench.defenses import defend
from stormbench.errors import InputError
from stormbench.execution.parallel import Workers


@dataclass(frozen=True)
class Inputs:
    """A model and the images that it is asked about.

    Attributes:
        model: undefended.
        images: all that were asked for.
        sound: those that can be decoded.
        found: what the inspect_images of all of them said.
    """

    model: Model
    images: ImageSet
    sound: ImageSet
    found: Inspection

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Class of each sound image in the model's index space, shape ``(images,)``.

        Raises:
            DataError: the classes cannot be matched to the model's.
        """
        return match_classes(self.sound, self.model.num_classes)


def open_inputs(
    model: str | Model,
    data: str | Path | ImageSet,
    defense: str | None,
    *,
    limit: int | None,
    device: str,
    workers: Workers,
    skip_broken: bool,
    labelled: bool = True,
    inspected: bool = True,
) -> Inputs:
    """Loads the model, opens the data and looks at every image once.

    Whatever is wrong with the device, the model, the defense or (where ``labelled``) the classes is said before the
    images are looked at. A run that uses only some images looks at none beforehand (``inspected=False``): its
    fingerprint covers names and classes.

    Raises:
        InputError: the device cannot be used, or the specification of the defense is wrong.
        StormbenchError: the model or the data cannot be used; see ``load_model`` and ``open_images``.
    """
    check_device(device)
    model = load_model(model) if isinstance(model, str) else model
    defended(model, defense)
    images = open_images(data) if isinstance(data, str | Path) else data
    images = images if limit is None else images.subset(range(min(limit, len(images))))
    if labelled:
        match_classes(images, model.num_classes)
    if not inspected:
        return Inputs(model, images, images, Inspection(names_fingerprint(images), {}))
    found = inspect_images(images, workers=workers)
    return Inputs(model, images, decodable_images(images, found, skip_broken=skip_broken), found)


def check_device(device: str) -> None:
    """Tries whether a device can be used.

    Raises:
        InputError: it cannot.
    """
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch has no one way to say it
        raise InputError(f"device {device!r} cannot be used: {str(error).splitlines()[0]}") from None


def defended(model: nn.Module, defense: str | None) -> nn.Module:
    """The model behind the defense of a specification; bare where there is none."""
    return defend(model, defense) if defense else model


@contextmanager
def threads_restored() -> Iterator[None]:
    """Tasks compute on one thread and seed the global generators; a caller's process gets all back as they were."""
    threads, python, legacy = torch.get_num_threads(), random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)
        random.setstate(python)
        np.random.set_state(legacy)
