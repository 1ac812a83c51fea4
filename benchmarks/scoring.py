"""Scores a model: every image of a data set, in every cell of a suite."""

from functools import partial
from pathlib import Path

import numpy as np

from stormbench.benchmarks.models.loading import Model
from stormbench.benchmarks.results.outcomes import Outcomes
from stormbench.benchmarks.results.schema import CLEAN, Result, read_result, write_result
from stormbench.benchmarks.runs import (
    Inputs,
    defended,
    kept_or_run,
    open_inputs,
    released_name,
    settings_of,
    suite_record,
    threads_restored,
)
from stormbench.benchmarks.score_shard import ScoreShard
from stormbench.benchmarks.shards import Journal, split, work_off
from stormbench.benchmarks.suites import SUITES, Suite
from stormbench.benchmarks.survey import Progress
from stormbench.datasets import ImageSet
from stormbench.datasets.corrupted import CellPixels, OnTheFly
from stormbench.datasets.released import open_released
from stormbench.parallel import Workers


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
    inputs = open_inputs(model, data, defense, limit=limit, device=device, workers=workers, skip_broken=skip_broken)
    pixels, released_as = _cell_pixels(suite, inputs, seed, released)
    task = ScoreShard(
        build=partial(defended, inputs.model, defense),
        images=inputs.sound,
        seed=seed,
        device=device,
        labels=inputs.labels,
        pixels=pixels,
        cells=[(CLEAN, 0), *suite.cells],
    )
    settings = settings_of(
        inputs,
        suite_record(suite),
        name=name,
        defense=defense,
        seed=seed,
        batch_size=batch_size,
        released=released_as,
    )
    path = Path(out) / f"{settings.run}.json"

    def run(journal: Journal) -> Result:
        with threads_restored():
            work_off(task, journal, split(len(inputs.sound), batch_size), workers=workers, progress=progress)
        return write_result(settings, task.cells, _gather(task, journal), path)

    return path, kept_or_run(path, settings, task.cells, read=read_result, run=run)


def _cell_pixels(suite: Suite, inputs: Inputs, seed: int, released: str | Path | None) -> tuple[CellPixels, str | None]:
    """Where the cells come from, and what the result calls that."""
    if released is None:
        return OnTheFly(suite.geometry, suite.scale, suite.jpeg_quality, seed), None
    root = Path(released)
    pixels, manifest = open_released(root, inputs.sound, suite.geometry, suite.cells)
    return pixels, released_name(root, manifest, suite_record(suite), inputs)


def _gather(task: ScoreShard, journal: Journal) -> Outcomes:
    parts = [journal.read(index) for index in sorted(journal.finished())]
    return Outcomes(
        keys=np.array(task.images.keys, dtype=np.str_),
        labels=task.labels,
        prediction=np.concatenate([part["prediction"] for part in parts], axis=1),
        rank=np.concatenate([part["rank"] for part in parts], axis=1),
    )
