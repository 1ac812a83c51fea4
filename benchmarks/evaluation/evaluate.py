"""Scores a model on a suite, resuming interrupted runs."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from stormbench.benchmarks.evaluation.image_task import ImageTask, _cell_pixels, _gather
from stormbench.benchmarks.evaluation.inputs import defended, open_inputs, threads_restored
from stormbench.benchmarks.evaluation.settings import settings_of, suite_record
from stormbench.benchmarks.models.inference import FLOAT32, Inference
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.images import Result, read_result, write_result
from stormbench.benchmarks.results.settings import Settings
from stormbench.benchmarks.suites.corruptions import SUITES, Suite
from stormbench.cells import CLEAN, Cell
from stormbench.datasets import ImageSet
from stormbench.execution.journal import Journal, refuse_changes
from stormbench.execution.parallel import Workers
from stormbench.execution.runner import Progress, run_shards
from stormbench.execution.shards import split


class _Stored(Protocol):
    @property
    def keys(self) -> list[Cell]: ...

    def model_dump(self, *, mode: str, include: set[str]) -> dict[str, object]: ...


Stored = TypeVar("Stored", bound=_Stored)


def load_or_run(
    path: Path,
    settings: Settings,
    cells: Sequence[Cell],
    *,
    read: Callable[[Path], Stored],
    run: Callable[[Journal], Stored],
) -> Stored:
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
    inference: Inference = FLOAT32,
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
        inference: how it computes; runs that compute otherwise are compared only where that is asked for.
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
    inference.check(device)
    inputs = open_inputs(model, data, defense, limit=limit, device=device, workers=workers, skip_broken=skip_broken)
    pixels, released_as = _cell_pixels(suite, inputs, seed, released)
    task = ImageTask(
        build=partial(defended, inputs.model, defense),
        images=inputs.sound,
        seed=seed,
        device=device,
        inference=inference,
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
        inference=inference,
    )
    path = Path(out) / f"{settings.run}.json"

    def run(journal: Journal) -> Result:
        with threads_restored():
            run_shards(task, journal, split(len(inputs.sound), batch_size), workers=workers, progress=progress)
        return write_result(settings, task.cells, _gather(task, journal), path)

    return path, load_or_run(path, settings, task.cells, read=read_result, run=run)
