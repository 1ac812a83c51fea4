"""Scores a model: every image of a data set, in every cell of a suite."""

import importlib.metadata
import platform
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from stormbench.benchmarks.models.loading import Model, load_model
from stormbench.benchmarks.results.outcomes import Outcomes
from stormbench.benchmarks.results.schema import (
    CLEAN,
    DataRecord,
    DefenseRecord,
    ModelRecord,
    Result,
    Settings,
    SuiteRecord,
    read_result,
    write_result,
)
from stormbench.benchmarks.score_shard import ScoreShard
from stormbench.benchmarks.shards import Journal, Shard, refuse_changes, split, work_off
from stormbench.benchmarks.suites import SUITES, Suite
from stormbench.benchmarks.survey import Progress, Survey, sound_images, survey
from stormbench.datasets import ImageSet, match_classes, open_images
from stormbench.datasets.corrupted import CellPixels, OnTheFly
from stormbench.datasets.released import open_released
from stormbench.defenses import defend, own_weights_digest
from stormbench.errors import DataError, InputError
from stormbench.parallel import Workers

CellKey = tuple[str, int]
_VERSIONS_OF = ("stormbench", "numpy", "scipy", "opencv-python", "Pillow", "torch", "torchvision")


def score(
    model: str | Model,
    data: str | Path | ImageSet,
    suite: str | Suite = "imagenet-c",
    *,
    out: str | Path,
    name: str | None = None,
    defense: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    workers: Workers = 0,
    batch_size: int = 32,
    device: str = "cpu",
    skip_broken: bool = False,
    released: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[Path, Result]:
    """Scores a model on the cells of a suite, and continues where an earlier try was interrupted.

    On the CPU every process computes on one thread, so that no count depends on the number of workers.

    Args:
        model: a loaded model, or how to load one (``load_model``).
        data: a data set, or where it is (``open_images``).
        suite: a suite or its name; ``Suite.narrowed`` chooses cells.
        out: folder for the result.
        name: the run's name; by default made of the model's, the suite's, the data's and the defense's.
        defense: specification of a defense in front of the model.
        limit: only the first so many images.
        seed: seed of all corruptions and of the defense.
        workers: number of worker processes, 0 scores in this one; or a cluster.
        batch_size: images that go through the model at once; also the unit in which an interrupted run continues.
        device: where the model runs.
        skip_broken: leave out images that cannot be decoded, and record which.
        released: folder of a generated or published set to read the cells from, instead of making them; clean images
            still come from ``data``.
        progress: called with the number of images done and the number of all.

    Returns:
        The path of the result file, and the result. A finished result with the same settings is returned as it is.

    Raises:
        StormbenchError: see ``stormbench.errors``; whatever was finished is kept.
    """
    suite = SUITES[suite] if isinstance(suite, str) else suite
    _check_device(device)
    model = load_model(model) if isinstance(model, str) else model
    _build(model, defense)  # a wrong specification is found here and not in a worker
    images = open_images(data) if isinstance(data, str | Path) else data
    images = images if limit is None else images.subset(range(min(limit, len(images))))
    found = survey(images, workers=workers)
    sound = sound_images(images, found, skip_broken=skip_broken)
    pixels, released_as = _cell_pixels(suite, sound, found, seed, released)
    task = ScoreShard(
        build=partial(_build, model, defense),
        images=sound,
        labels=match_classes(sound, model.num_classes),
        pixels=pixels,
        cells=[(CLEAN, 0), *suite.cells],
        seed=seed,
        device=device,
    )
    settings = Settings(
        run=name or run_name(model.source, suite.name, images.name, defense, "released" if released else None),
        suite=_suite_record(suite),
        model=ModelRecord(
            source=model.source, digest=model.digest, classes=model.num_classes, preprocessing=model.preprocessing
        ),
        defense=defense_record(model, defense, seed),
        data=_data_record(images, sound, found, released_as),
        seed=seed,
        batch_size=batch_size,
        versions={"python": platform.python_version()} | {lib: importlib.metadata.version(lib) for lib in _VERSIONS_OF},
    )
    path = Path(out) / f"{settings.run}.json"
    comparable = settings.model_dump(mode="json") | {"cells": [list(cell) for cell in task.cells]}
    if path.exists():
        return path, _finished(path, comparable)
    journal = Journal(path.with_suffix(".unfinished"), comparable)
    with journal.open():
        _score_missing(task, journal, split(len(sound), batch_size), workers, progress)
        result = write_result(settings, task.cells, _gather(task, journal), path)
    journal.remove()
    return path, result


def _cell_pixels(
    suite: Suite, images: ImageSet, found: Survey, seed: int, released: str | Path | None
) -> tuple[CellPixels, str | None]:
    """Where the cells come from, and what the result calls that."""
    if released is None:
        return OnTheFly(suite.geometry, suite.scale, suite.jpeg_quality, seed), None
    root = Path(released)
    pixels, manifest = open_released(root, images, suite.geometry, suite.cells)
    if manifest is None:
        return pixels, root.resolve().name
    ours = _suite_record(suite).model_dump(mode="json", exclude={"name"})
    theirs = manifest.model_dump(mode="json", include=set(ours))
    if manifest.images == len(images):
        ours["fingerprint"], theirs["fingerprint"] = found.fingerprint, manifest.fingerprint
    for name in (name for name in ours if ours[name] != theirs[name]):
        raise DataError(f"{root} was made with {name} {theirs[name]}, this run has {ours[name]}; score like with like")
    return pixels, f"{root.resolve().name} {manifest.digest}"


def _check_device(device: str) -> None:
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch has no one way to say it
        raise InputError(f"device {device!r} cannot be used: {str(error).splitlines()[0]}") from None


def defense_record(model: nn.Module, defense: str | None, seed: int) -> DefenseRecord | None:
    """What a result says of the defense in front of a model."""
    if not defense:
        return None
    return DefenseRecord(spec=defense, seed=seed, weights=own_weights_digest(defend(model, defense)))


def _build(model: nn.Module, defense: str | None) -> nn.Module:
    return defend(model, defense) if defense else model


def _finished(path: Path, comparable: dict[str, Any]) -> Result:
    """The result that is there already, if it is this run's."""
    result = read_result(path)
    then = result.model_dump(mode="json", include=set(Settings.model_fields))
    refuse_changes(then | {"cells": [[c.corruption, c.severity] for c in result.cells]}, comparable, where=str(path))
    return result


def _score_missing(
    task: ScoreShard, journal: Journal, shards: Sequence[Shard], workers: Workers, progress: Progress | None
) -> None:
    threads = torch.get_num_threads()
    try:
        work_off(task, journal, shards, workers=workers, progress=progress)
    finally:
        torch.set_num_threads(threads)


def _gather(task: ScoreShard, journal: Journal) -> Outcomes:
    parts = [journal.read(index) for index in sorted(journal.finished())]
    return Outcomes(
        keys=np.array(task.images.keys, dtype=np.str_),
        labels=task.labels,
        prediction=np.concatenate([part["prediction"] for part in parts], axis=1),
        rank=np.concatenate([part["rank"] for part in parts], axis=1),
    )


def _suite_record(suite: Suite) -> SuiteRecord:
    return SuiteRecord(name=suite.name, scale=suite.scale, geometry=suite.geometry, jpeg_quality=suite.jpeg_quality)


def _data_record(images: ImageSet, sound: ImageSet, found: Survey, released: str | None) -> DataRecord:
    return DataRecord(
        name=images.name,
        images=len(sound),
        classes=len(images.classes),
        fingerprint=found.fingerprint,
        skipped=[images.keys[index] for index in found.broken],
        released=released,
    )


def run_name(source: str, suite: str, data: str, *more: str | None) -> str:
    """A file name that tells runs apart: ``resnet50-IMAGENET1K_V2.imagenet-c.val``."""
    model = Path(source.split("@")[0]).stem if source.startswith("checkpoint:") else source.partition(":")[2] or source
    parts = [model, suite, data, *filter(None, more)]
    return ".".join(re.sub(r"[^\w=,-]+", "-", part).strip("-") for part in parts)
