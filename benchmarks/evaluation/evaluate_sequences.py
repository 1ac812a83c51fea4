"""Scores a model on perturbation sequences, resuming interrupted runs."""

from functools import partial
from pathlib import Path

import numpy as np

from stormbench.benchmarks.evaluation.evaluate import load_or_run
from stormbench.benchmarks.evaluation.inputs import defended, open_inputs, threads_restored
from stormbench.benchmarks.evaluation.sequence_task import IMAGES_A_SHARD, SequenceTask, _pixels
from stormbench.benchmarks.evaluation.settings import settings_of, suite_record
from stormbench.benchmarks.models.inference import FLOAT32, Inference
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.sequences import (
    SequenceOutcomes,
    SequenceResult,
    read_sequence_result,
    write_sequence_result,
)
from stormbench.benchmarks.suites.sequences import SEQUENCE_SUITES, SequenceSuite
from stormbench.datasets import ImageSet
from stormbench.execution.journal import Journal
from stormbench.execution.parallel import Workers
from stormbench.execution.runner import Progress, run_shards
from stormbench.execution.shards import split


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
    workers: Workers = 0,
    batch_size: int = 32,
    device: str = "cpu",
    inference: Inference = FLOAT32,
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
        workers: number of worker processes, 0 scores in this one; or a cluster.
        batch_size: frames that go through the model at once.
        device: where the model runs.
        inference: how it computes; runs that compute otherwise are compared only where that is asked for.
        skip_broken: leave out images that cannot be decoded, and record which.
        released: folder of a generated or published set of sequences to read, instead of making them.
        progress: called with the number of images done and the number of all.

    Returns:
        The path of the result file, and the result. A finished result with the same settings is returned as it is.

    Raises:
        StormbenchError: see ``stormbench.errors``; whatever was finished is kept.
    """
    suite = SEQUENCE_SUITES[suite] if isinstance(suite, str) else suite
    inference.check(device)
    inputs = open_inputs(model, data, defense, limit=limit, device=device, workers=workers, skip_broken=skip_broken)
    pixels, released_as = _pixels(suite, inputs, seed, released)
    task = SequenceTask(
        build=partial(defended, inputs.model, defense),
        images=inputs.sound,
        seed=seed,
        device=device,
        inference=inference,
        pixels=pixels,
        cells=[(cell, suite.frames(cell[0])) for cell in suite.cells],
        batch_size=batch_size,
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
    labels = inputs.labels

    def run(journal: Journal) -> SequenceResult:
        shards = split(len(inputs.sound), IMAGES_A_SHARD)
        with threads_restored():
            run_shards(task, journal, shards, workers=workers, progress=progress)
        top = np.concatenate([journal.read(shard.index)["top"] for shard in shards])
        outcomes = SequenceOutcomes(np.array(inputs.sound.keys, dtype=np.str_), labels, top)
        return write_sequence_result(settings, task.cells, outcomes, path)

    return path, load_or_run(path, settings, suite.cells, read=read_sequence_result, run=run)
