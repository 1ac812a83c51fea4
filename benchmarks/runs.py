"""What every run does before and after its work: opens its inputs, says what it is, finds or leaves a result."""

import importlib.metadata
import platform
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stormbench.benchmarks.models.loading import Model, load_model
from stormbench.benchmarks.results.schema import DataRecord, DefenseRecord, ModelRecord, Settings, SuiteRecord
from stormbench.benchmarks.sequences.suites import SequenceSuite
from stormbench.benchmarks.shards import Journal, refuse_changes
from stormbench.benchmarks.suites import Suite
from stormbench.benchmarks.survey import Survey, sound_images, survey
from stormbench.datasets import ImageSet, match_classes, open_images
from stormbench.datasets.manifest import Manifest
from stormbench.defenses import defend, draws_per_decision, own_weights_digest
from stormbench.errors import DataError, InputError
from stormbench.parallel import Workers

CellKey = tuple[str, int]
_VERSIONS_OF = ("stormbench", "numpy", "scipy", "opencv-python", "Pillow", "torch", "torchvision")


@dataclass(frozen=True)
class Inputs:
    """A model and the images that it is asked about.

    Attributes:
        model: undefended.
        images: all that were asked for.
        sound: those that can be decoded.
        found: what the survey of all of them said.
    """

    model: Model
    images: ImageSet
    sound: ImageSet
    found: Survey

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
) -> Inputs:
    """Loads the model, opens the data and looks at every image once.

    Whatever is wrong with the device, the model or the defense is said before the images are looked at.

    Raises:
        InputError: the device cannot be used, or the specification of the defense is wrong.
        StormbenchError: the model or the data cannot be used; see ``load_model``, ``open_images``, ``sound_images``.
    """
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch has no one way to say it
        raise InputError(f"device {device!r} cannot be used: {str(error).splitlines()[0]}") from None
    model = load_model(model) if isinstance(model, str) else model
    defended(model, defense)
    images = open_images(data) if isinstance(data, str | Path) else data
    images = images if limit is None else images.subset(range(min(limit, len(images))))
    found = survey(images, workers=workers)
    return Inputs(model, images, sound_images(images, found, skip_broken=skip_broken), found)


def defended(model: nn.Module, defense: str | None) -> nn.Module:
    """The model behind the defense of a specification; bare where there is none."""
    return defend(model, defense) if defense else model


def settings_of(
    inputs: Inputs,
    suite: SuiteRecord,
    *,
    name: str | None,
    defense: str | None,
    seed: int,
    batch_size: int,
    released: str | None,
) -> Settings:
    """What the result says of a run, and what an interrupted run is continued under.

    Args:
        inputs: the model and the images.
        suite: how the pixels are made.
        name: the run's name; by default made of the model's, the suite's, the data's and the defense's.
        defense: specification of the defense, if any.
        seed: of everything that is drawn.
        batch_size: images or frames that go through the model at once.
        released: what the released set is called that the pixels are read from, if any.
    """
    model, images = inputs.model, inputs.images
    return Settings(
        run=name or run_name(model.source, suite.name, images.name, defense, "released" if released else None),
        suite=suite,
        model=ModelRecord(
            source=model.source, digest=model.digest, classes=model.num_classes, preprocessing=model.preprocessing
        ),
        defense=_defense_record(model, defense, seed),
        data=DataRecord(
            name=images.name,
            images=len(inputs.sound),
            classes=len(images.classes),
            fingerprint=inputs.found.fingerprint,
            skipped=[images.keys[index] for index in inputs.found.broken],
            released=released,
        ),
        seed=seed,
        batch_size=batch_size,
        versions={"python": platform.python_version()} | {lib: importlib.metadata.version(lib) for lib in _VERSIONS_OF},
    )


def suite_record(suite: Suite | SequenceSuite) -> SuiteRecord:
    """What a result says of how its pixels were made."""
    return SuiteRecord(name=suite.name, scale=suite.scale, geometry=suite.geometry, jpeg_quality=suite.jpeg_quality)


def released_name(root: Path, manifest: Manifest | None, suite: SuiteRecord, inputs: Inputs) -> str:
    """What a result calls the set on disk that its pixels came from.

    Args:
        root: the set's folder.
        manifest: of the set; published sets have none.
        suite: that is scored.
        inputs: of the run.

    Raises:
        DataError: the set was made at another scale, of images prepared otherwise, or of as many other images.
    """
    if manifest is None:
        return root.resolve().name
    ours = suite.model_dump(mode="json", exclude={"name"})
    theirs = manifest.model_dump(mode="json", include=set(ours))
    if manifest.images == len(inputs.sound):
        ours["fingerprint"], theirs["fingerprint"] = inputs.found.fingerprint, manifest.fingerprint
    for name in (name for name in ours if ours[name] != theirs[name]):
        raise DataError(f"{root} was made with {name} {theirs[name]}, this run has {ours[name]}; score like with like")
    return f"{root.resolve().name} {manifest.digest}"


def _defense_record(model: nn.Module, defense: str | None, seed: int) -> DefenseRecord | None:
    if not defense:
        return None
    built = defend(model, defense)
    draws = draws_per_decision(built)
    return DefenseRecord(spec=defense, seed=seed, draws=draws, weights=own_weights_digest(built))


def run_name(source: str, suite: str, data: str, *more: str | None) -> str:
    """A file name that tells runs apart: ``resnet50-IMAGENET1K_V2.imagenet-c.val``."""
    model = Path(source.split("@")[0]).stem if source.startswith("checkpoint:") else source.partition(":")[2] or source
    parts = [model, suite, data, *filter(None, more)]
    return ".".join(re.sub(r"[^\w=,-]+", "-", part).strip("-") for part in parts)


class _Kept(Protocol):
    @property
    def keys(self) -> list[CellKey]: ...

    def model_dump(self, *, mode: str, include: set[str]) -> dict[str, object]: ...


Kept = TypeVar("Kept", bound=_Kept)


def kept_or_run(
    path: Path,
    settings: Settings,
    cells: Sequence[CellKey],
    *,
    read: Callable[[Path], Kept],
    run: Callable[[Journal], Kept],
) -> Kept:
    """The result that is there already, or else the one that a run leaves.

    Args:
        path: where the result lies or will lie.
        settings: of the run.
        cells: what it counts.
        read: reads a result.
        run: does what the journal has not yet, and writes the result to ``path``.

    Raises:
        SettingsChangedError: what is there was made with other settings; the message says which.
    """
    now = settings.model_dump(mode="json") | {"cells": [list(cell) for cell in cells]}
    journal = Journal(path.with_suffix(".unfinished"), now)
    if path.exists():
        result = read(path)
        then = result.model_dump(mode="json", include=set(Settings.model_fields))
        refuse_changes(then | {"cells": [list(key) for key in result.keys]}, now, where=str(path))
        if journal.folder.exists():  # killed when all was done but this
            with journal.lock():
                journal.remove()
        return result
    with journal.open():
        result = run(journal)
        journal.remove()
    return result


@contextmanager
def threads_restored() -> Iterator[None]:
    """Tasks compute on one thread; a caller's process gets its threads back."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
