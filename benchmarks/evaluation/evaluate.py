"""Evaluates a model on a suite of corruptions or of sequences, resuming interrupted runs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Unpack

from stormbench.benchmarks.evaluation.image_task import ImageTask
from stormbench.benchmarks.evaluation.inputs import open_inputs, threads_restored
from stormbench.benchmarks.evaluation.options import Options, RunOptions
from stormbench.benchmarks.evaluation.sequence_task import SequenceTask
from stormbench.benchmarks.evaluation.settings import settings_of, suite_record
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.run import ImageRun, Run, SequenceRun
from stormbench.benchmarks.results.settings import Settings
from stormbench.benchmarks.suites.registry import SUITES, Suite
from stormbench.benchmarks.suites.sequences import SequenceSuite
from stormbench.cells import Cell
from stormbench.datasets import ImageSet
from stormbench.execution.journal import Journal, refuse_changes
from stormbench.execution.runner import run_shards


def evaluate(
    model: str | Model,
    data: str | Path | ImageSet,
    suite: str | Suite = "imagenet-c",
    options: RunOptions | None = None,
    **changes: Unpack[Options],
) -> ImageRun | SequenceRun:
    """Evaluates a model on the cells of a suite, and continues where an earlier try was interrupted.

    On the CPU every process computes on one thread, so that no count depends on the number of workers.

    Args:
        model: a loaded model, or how to load one (``load_model``).
        data: a data set, or where it is (``open_images``).
        suite: a suite or its name, of corruptions or of sequences; ``narrowed`` chooses cells.
        options: how the run is done.
        changes: fields of ``RunOptions`` by name, which take precedence: ``out="results", limit=500, workers=8``.

    Returns:
        The run: path, record, and the outcome of every image. A finished run with the same settings is returned as it
        is.

    Raises:
        StormbenchError: see ``stormbench.errors``; whatever was finished is kept.
    """
    options = (options or RunOptions()).altered(**changes)
    suite = SUITES[suite] if isinstance(suite, str) else suite
    options.inference.check(options.device)
    inputs = open_inputs(
        model,
        data,
        options.defense,
        limit=options.limit,
        device=options.device,
        workers=options.workers,
        skip_broken=options.skip_broken,
        labelled=not isinstance(suite, SequenceSuite),
    )
    task: ImageTask | SequenceTask
    if isinstance(suite, SequenceSuite):
        task, released = SequenceTask.of(suite, inputs, options)
    else:
        task, released = ImageTask.of(suite, inputs, options)
    settings = settings_of(
        inputs,
        suite_record(suite),
        name=options.name,
        defense=options.defense,
        seed=options.seed,
        batch_size=options.batch_size,
        released=released,
        device=options.device,
        inference=options.inference,
    )
    path = Path(options.out) / f"{settings.run}.json"

    def run(journal: Journal) -> ImageRun | SequenceRun:
        with threads_restored():
            run_shards(task, journal, task.shards, workers=options.workers, progress=options.progress)
        return task.stored(settings, journal, path)

    return load_or_run(path, settings, task.keys, run)


# The name of one release more.
score = evaluate


def load_or_run(
    path: Path, settings: Settings, cells: Sequence[Cell], run: Callable[[Journal], ImageRun | SequenceRun]
) -> ImageRun | SequenceRun:
    """The run that is there already, or else the one that is made now.

    Args:
        path: where the result lies or will lie.
        settings: of the run.
        cells: what it counts.
        run: does what the journal has not yet, and writes the result to ``path``.

    Raises:
        SettingsChangedError: what is there was made with other settings; the message says which.
    """
    now = settings.model_dump(mode="json") | {"cells": [list(cell) for cell in cells]}
    journal = Journal(path.with_suffix(".unfinished"), now)
    if path.exists():
        found = Run.open(path)
        then = found.result.model_dump(mode="json", include=set(Settings.model_fields))
        refuse_changes(then | {"cells": [list(key) for key in found.cells]}, now, where=str(path))
        if journal.folder.exists():  # killed when all was done but this
            with journal.lock():
                journal.remove()
        return found
    with journal.open():
        made = run(journal)
        journal.remove()
    return made
