"""Scores a model on sequences: every image of a data set, in every cell of a suite, frame by frame."""

import importlib.metadata
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stormbench.benchmarks.models.loading import Model, load_model
from stormbench.benchmarks.results.schema import DataRecord, ModelRecord, Settings, SuiteRecord
from stormbench.benchmarks.scoring import defense_record
from stormbench.benchmarks.sequences.results import (
    CellKey,
    SequenceOutcomes,
    SequenceResult,
    read_sequence_result,
    write_sequence_result,
)
from stormbench.benchmarks.sequences.suites import SEQUENCE_SUITES, SequenceSuite
from stormbench.benchmarks.shards import Journal, Shard, refuse_changes, split, work_off
from stormbench.benchmarks.survey import Progress, Survey, sound_images, survey
from stormbench.datasets import ImageSet, match_classes, open_images
from stormbench.datasets.released_sequences import open_released_sequences
from stormbench.datasets.sequence_manifest import read_sequence_manifest
from stormbench.datasets.sequences import Pixels, SequencePixels, SequencesOnTheFly
from stormbench.defenses import defend
from stormbench.errors import ModelError
from stormbench.metrics.classification import top_classes
from stormbench.metrics.stability import TOP
from stormbench.randomness import stream

_VERSIONS_OF = ("stormbench", "numpy", "scipy", "opencv-python", "Pillow", "torch", "torchvision")
_IMAGES_A_SHARD = 4


@dataclass
class SequenceShard:
    """Decodes each image of a shard once, makes all its sequences and asks the model; runs in a worker.

    Frames are made as the model takes them, so that memory holds one batch of them and not a sequence.

    Attributes:
        build: makes the model; called once per worker.
        images: the data set.
        pixels: where the frames come from.
        cells: what to score, and how many frames each sequence must have.
        batch_size: frames that go through the model at once, also of several sequences.
        seed: for defenses that draw; every cell of every shard starts from its own stream.
        device: where the model runs.
    """

    build: Callable[[], nn.Module]
    images: ImageSet
    pixels: SequencePixels
    cells: Sequence[tuple[CellKey, int]]
    batch_size: int
    seed: int
    device: str

    @cached_property
    def model(self) -> nn.Module:
        """The model, built at first use."""
        torch.set_num_threads(1)
        return self.build().to(self.device).eval()

    def __call__(self, shard: Shard) -> dict[str, NDArray[Any]]:
        """Returns ``top``, the best classes of each frame, shape ``(images of the shard, frames of all cells, 5)``."""
        sources = [self.pixels.source(self.images, index) for index in range(shard.start, shard.stop)]
        keys = self.images.keys[shard.start : shard.stop]
        return {"top": np.concatenate([self._cell(cell, sources, keys, shard) for cell in self.cells], axis=1)}

    def _cell(
        self, cell: tuple[CellKey, int], sources: Sequence[Pixels], keys: Sequence[str], shard: Shard
    ) -> NDArray[np.uint16]:
        (perturbation, level), length = cell
        if callable(reseed := getattr(self.model, "reseed", None)):
            reseed(int(stream(self.seed, f"defense/{perturbation}", level, str(shard.start)).integers(2**63)))
        sequences = (
            self.pixels.frames(source, perturbation, level, key) for source, key in zip(sources, keys, strict=True)
        )
        top = [self._top(batch) for batch in _batches(chain.from_iterable(sequences), self.batch_size)]
        return np.concatenate(top).reshape(len(keys), length, -1)

    def _top(self, frames: Sequence[Pixels]) -> NDArray[np.uint16]:
        with torch.inference_mode():
            batch = torch.from_numpy(np.stack(frames)).to(self.device).permute(0, 3, 1, 2).float().div(255)
            logits = self.model(batch).float().cpu().numpy()
        if np.isnan(logits).any():
            raise ModelError("the model's output has NaN")
        return top_classes(logits, min(TOP, logits.shape[1])).astype(np.uint16)


def _batches(frames: Iterable[Pixels], size: int) -> Iterator[list[Pixels]]:
    frames = iter(frames)
    while batch := list(islice(frames, size)):
        yield batch


def score_sequences(
    model: str | Model,
    data: str | Path | ImageSet,
    suite: str | SequenceSuite = "imagenet-p",
    *,
    out: str | Path,
    name: str | None = None,
    defense: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    workers: int = 0,
    batch_size: int = 32,
    device: str = "cpu",
    skip_broken: bool = False,
    released: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[Path, SequenceResult]:
    """Scores a model on the sequences of a suite, and continues where an earlier try was interrupted.

    Args:
        model: a loaded model, or how to load one (``load_model``).
        data: a data set, or where it is (``open_images``).
        suite: a suite or its name; ``SequenceSuite.narrowed`` chooses cells.
        out: folder for the result.
        name: the run's name; by default made of the model's, the suite's, the data's and the defense's.
        defense: specification of a defense in front of the model.
        limit: only the first so many images.
        seed: seed of all sequences and of the defense.
        workers: number of worker processes; 0 scores in this one.
        batch_size: frames that go through the model at once.
        device: where the model runs.
        skip_broken: leave out images that cannot be decoded, and record which.
        released: folder of a generated or published set of sequences to read, instead of making them.
        progress: called with the number of images done and the number of all.

    Returns:
        The path of the result file, and the result. A finished result with the same settings is returned as it is.

    Raises:
        StormbenchError: see ``stormbench.errors``; whatever was finished is kept.
    """
    suite = SEQUENCE_SUITES[suite] if isinstance(suite, str) else suite
    model = load_model(model) if isinstance(model, str) else model
    images = open_images(data) if isinstance(data, str | Path) else data
    images = images if limit is None else images.subset(range(min(limit, len(images))))
    found = survey(images, workers=workers)
    sound = sound_images(images, found, skip_broken=skip_broken)
    pixels, released_as = _pixels(suite, sound, found, seed, released)
    task = SequenceShard(
        build=partial(_build, model, defense),
        images=sound,
        pixels=pixels,
        cells=[(cell, suite.frames(cell[0])) for cell in suite.cells],
        batch_size=batch_size,
        seed=seed,
        device=device,
    )
    settings = Settings(
        run=name or _run_name(model.source, suite.name, images.name, defense, "released" if released else None),
        suite=SuiteRecord(name=suite.name, scale=suite.scale, geometry=suite.geometry, jpeg_quality=None),
        model=_model_record(model),
        defense=defense_record(model, defense, seed),
        data=_data_record(images, sound, found, released_as),
        seed=seed,
        batch_size=batch_size,
        versions={"python": platform.python_version()} | {lib: importlib.metadata.version(lib) for lib in _VERSIONS_OF},
    )
    labels = match_classes(sound, model.num_classes)
    return _run(task, settings, labels, Path(out) / f"{settings.run}.json", workers, progress)


def _run(
    task: SequenceShard,
    settings: Settings,
    labels: NDArray[np.int64],
    path: Path,
    workers: int,
    progress: Progress | None,
) -> tuple[Path, SequenceResult]:
    comparable = settings.model_dump(mode="json") | {"cells": [list(key) for key, _ in task.cells]}
    if path.exists():
        return path, _finished(path, comparable)
    journal = Journal(path.with_suffix(".unfinished"), comparable)
    shards = split(len(task.images), _IMAGES_A_SHARD)
    threads = torch.get_num_threads()
    with journal.open():
        try:
            work_off(task, journal, shards, workers=workers, progress=progress)
        finally:
            torch.set_num_threads(threads)
        top = np.concatenate([journal.read(shard.index)["top"] for shard in shards])
        outcomes = SequenceOutcomes(np.array(task.images.keys, dtype=np.str_), labels, top)
        result = write_sequence_result(settings, task.cells, outcomes, path)
    journal.remove()
    return path, result


def _pixels(
    suite: SequenceSuite, images: ImageSet, found: Survey, seed: int, released: str | Path | None
) -> tuple[SequencePixels, str | None]:
    """Where the frames come from, and what the result calls that."""
    if released is None:
        return SequencesOnTheFly(suite.geometry, suite.scale, seed), None
    root = Path(released)
    if manifest := read_sequence_manifest(root):
        manifest.refuse_others(root, suite.scale, suite.geometry, len(images), found.fingerprint)
    pixels = open_released_sequences(root, images, suite.scale, suite.cells)
    return pixels, root.resolve().name + (f" {manifest.digest}" if manifest else "")


def _model_record(model: Model) -> ModelRecord:
    return ModelRecord(
        source=model.source, digest=model.digest, classes=model.num_classes, preprocessing=model.preprocessing
    )


def _data_record(images: ImageSet, sound: ImageSet, found: Survey, released: str | None) -> DataRecord:
    return DataRecord(
        name=images.name,
        images=len(sound),
        classes=len(images.classes),
        fingerprint=found.fingerprint,
        skipped=[images.keys[index] for index in found.broken],
        released=released,
    )


def _build(model: nn.Module, defense: str | None) -> nn.Module:
    return defend(model, defense) if defense else model


def _finished(path: Path, comparable: dict[str, Any]) -> SequenceResult:
    """The result that is there already, if it is this run's."""
    result = read_sequence_result(path)
    then = result.model_dump(mode="json", include=set(Settings.model_fields))
    refuse_changes(then | {"cells": [list(key) for key in result.keys]}, comparable, where=str(path))
    return result


def _run_name(source: str, suite: str, data: str, *more: str | None) -> str:
    """A file name that tells runs apart: ``resnet50-IMAGENET1K_V2.imagenet-p.val``."""
    model = Path(source.split("@")[0]).stem if source.startswith("checkpoint:") else source.partition(":")[2] or source
    parts = [model, suite, data, *filter(None, more)]
    return ".".join(re.sub(r"[^\w=,-]+", "-", part).strip("-") for part in parts)
