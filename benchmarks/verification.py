"""Asks the model again: a random sample of a result's predictions is recomputed and compared."""

import importlib.metadata
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from math import ceil
from pathlib import Path

import numpy as np
from torch import nn

from stormbench.benchmarks.models.loading import Model, load_model
from stormbench.benchmarks.results.documents import is_sequence_result
from stormbench.benchmarks.results.outcomes import Outcomes
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.schema import CLEAN, Result, read_outcomes, read_result
from stormbench.benchmarks.results.verification import Verification, file_digest
from stormbench.benchmarks.score_shard import ScoreShard
from stormbench.benchmarks.shards import Shard, split
from stormbench.benchmarks.survey import Progress, sound_images, survey
from stormbench.datasets import ImageSet, match_classes, open_images
from stormbench.datasets.corrupted import CellPixels, OnTheFly
from stormbench.datasets.released import open_released
from stormbench.defenses import defend
from stormbench.errors import InputError, ResultError

# However small the sample asked for: a forged cell of 75 should have a chance to be in it.
_LEAST_UNITS = 10


@dataclass(frozen=True)
class _Unit:
    """One cell of one batch: the least that can be recomputed where a random defense draws batch by batch."""

    shard: Shard
    cell: int


def verify(
    path: Path,
    model: str,
    data: str | Path,
    *,
    sample: float = 0.02,
    seed: int | None = None,
    released: str | Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Verification:
    """Recomputes a random sample of the (image, cell) pairs of a result.

    The sample is drawn in batches of the run, because a random defense draws batch by batch. Whoever forges a result
    cannot know which will be drawn.

    Args:
        path: the result file.
        model: where the model is (``load_model``); it is never taken from the result, which a stranger wrote.
        data: where the images are (``open_images``).
        sample: share of the pairs, above 0 and at most 1.
        seed: of the sample; by default nobody knows it beforehand.
        released: folder of the corrupted set that the result was scored on, where its cells were not made on the fly.
        device: where the model runs.
        progress: called with the number of predictions done and the number of all.

    Returns:
        How many predictions were recomputed and how many were equal. ``Verification.passed`` says whether that will do.

    Raises:
        ResultError: the result is broken, or names other weights or other images than those given.
        InputError: the sample is not a share.
    """
    if not 0 < sample <= 1:
        raise InputError(f"a sample is a share above 0 and at most 1, not {sample}")
    if is_sequence_result(path):
        raise ResultError(f"{path} is of sequences; only results on images are verified")
    result = read_result(path)
    outcomes = read_outcomes(path, result)
    images = _same_images(path, result, data)
    pixels = _pixels(path, result, images, released)
    task = _task(result, _same_model(path, result, model), images, pixels, device)
    seed = secrets.randbits(31) if seed is None else seed
    units = _sample(result, sample, seed)
    recomputed, equal, total = 0, 0, sum(len(unit.shard) for unit in units)
    for unit in units:
        recomputed += len(unit.shard)
        equal += _count_equal(task, unit, result, outcomes)
        if progress:
            progress(recomputed, total)
    return Verification(
        result=file_digest(path),
        recomputed=recomputed,
        equal=equal,
        seed=seed,
        created=datetime.now(UTC).replace(microsecond=0),
        versions={library: importlib.metadata.version(library) for library in ("stormbench", "torch", "numpy")},
    )


def _sample(result: Result, share: float, seed: int) -> list[_Unit]:
    shards = split(result.data.images, result.batch_size)
    units = [_Unit(shard, cell) for shard in shards for cell in range(len(result.cells))]
    wanted = min(len(units), max(_LEAST_UNITS, ceil(share * len(units))))
    chosen = np.random.default_rng(seed).choice(len(units), size=wanted, replace=False)
    return [units[index] for index in sorted(chosen.tolist())]


def _count_equal(task: ScoreShard, unit: _Unit, result: Result, outcomes: Outcomes) -> int:
    cell = result.cells[unit.cell]
    task.cells = [(cell.corruption, cell.severity)]
    claimed = outcomes.prediction[unit.cell, unit.shard.start : unit.shard.stop]
    return int((task(unit.shard)["prediction"][0] == claimed).sum())


def _task(result: Result, model: Model, images: ImageSet, pixels: CellPixels, device: str) -> ScoreShard:
    return ScoreShard(
        build=partial(_build, model, result.defense.spec if result.defense else None),
        images=images,
        labels=match_classes(images, model.num_classes),
        pixels=pixels,
        cells=[],
        seed=result.seed,
        device=device,
    )


def _pixels(path: Path, result: Result, images: ImageSet, released: str | Path | None) -> CellPixels:
    suite, claimed = result.suite, result.data.released
    if (released is None) != (claimed is None):
        scored = f"on released files ({shown(claimed)}): say where they are" if claimed else "on images made on the fly"
        raise ResultError(f"{path} was scored {scored}")
    if released is None:
        return OnTheFly(suite.geometry, suite.scale, suite.jpeg_quality, result.seed)
    cells = [(cell.corruption, cell.severity) for cell in result.cells if cell.corruption != CLEAN]
    return open_released(Path(released), images, suite.geometry, cells)[0]


def _build(model: nn.Module, defense: str | None) -> nn.Module:
    return defend(model, defense) if defense else model


def _same_model(path: Path, result: Result, spec: str) -> Model:
    model = load_model(spec, **asdict(result.model.preprocessing))
    if model.digest != result.model.digest:
        raise ResultError(
            f"{path} was made with the weights {result.model.digest[:16]}..., {spec} has {model.digest[:16]}...; "
            "give the very weights that were scored"
        )
    return model


def _same_images(path: Path, result: Result, data: str | Path) -> ImageSet:
    images = open_images(data)
    wanted = result.data.images + len(result.data.skipped)
    images = images.subset(range(min(wanted, len(images))))
    found = survey(images, workers=0)
    if found.fingerprint != result.data.fingerprint:
        raise ResultError(
            f"{path} was made on {result.data.images} images with the fingerprint {result.data.fingerprint}, "
            f"the first {len(images)} of {data} have {found.fingerprint}; give the very images that were scored"
        )
    return sound_images(images, found, skip_broken=True)
