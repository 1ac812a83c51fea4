"""Scores a model to a chosen precision, in blocks of one pass a cell, and continues earlier runs."""

from collections.abc import Mapping
from functools import partial
from hashlib import blake2b
from math import ceil, inf
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.evaluation.inputs import Inputs, defended, open_inputs, threads_restored
from stormbench.benchmarks.evaluation.options import Options, RunOptions
from stormbench.benchmarks.evaluation.sampled.task import SampleTask
from stormbench.benchmarks.evaluation.settings import run_name, settings_of, suite_record
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.samples import PlanRecord, Sample, SampledOutcomes, plan_of, write_sample
from stormbench.benchmarks.results.settings import Settings
from stormbench.benchmarks.suites.registry import Suite, corruption_suite
from stormbench.benchmarks.suites.weights import weighting
from stormbench.datasets import ImageSet
from stormbench.datasets.on_the_fly import OnTheFly
from stormbench.defenses.base import random_parts
from stormbench.errors import InputError
from stormbench.execution.journal import Journal, refuse_changes
from stormbench.execution.parallel import Workers
from stormbench.execution.runner import Progress, run_shards
from stormbench.execution.shards import split
from stormbench.metrics.sequential import interval_variances, looks

_TWO_SIDED_95 = 1.959963984540054
_ANSWERS = ("prediction", "rank", "clean_prediction", "clean_rank")


def evaluate_sampled(
    model: str | Model,
    data: str | Path | ImageSet,
    suite: str | Suite = "imagenet-c",
    options: RunOptions | None = None,
    *,
    precision: float | None,
    budget: int | None = None,
    **changes: Unpack[Options],
) -> Sample:
    """Scores a model until the 95 % interval of its mCE (or plain mean error) is as narrow as asked.

    Each image is shown in one cell, in random blocks that cover every cell once (``BlockPlan``), with the pixels of a
    full run. No image is looked at before it is used. Called again with a smaller precision or a larger budget it goes
    on from there: no pass is repeated. The outcomes do not depend on the number of workers or on interruptions.

    Args:
        model: a loaded model, or how to load one (``load_model``).
        data: a data set, or where it is (``open_images``).
        suite: a suite of images, or its name.
        options: how the run is done. Progress is told in passes: done, and needed in all as far as is known.
        precision: half-width of the interval in points, above 0; None to use up the budget.
        budget: the most passes on corrupted images; by default all of the full run. Of whole blocks, rounded down.
        changes: fields of ``RunOptions`` by name, which take precedence.

    Raises:
        InputError: neither a precision nor a budget is given or one is impossible, or the defense is random.
        StormbenchError: see ``stormbench.errors``; whatever was finished is kept.
    """
    options, suite = (options or RunOptions()).altered(**changes), corruption_suite(suite)
    _check(precision, budget, len(suite.cells))
    _refuse_options(options)
    inputs = open_inputs(
        model,
        data,
        options.defense,
        limit=options.limit,
        device=options.device,
        workers=0,
        skip_broken=False,
        inspected=False,
    )
    _refuse_random(inputs, options.defense)
    settings = settings_of(
        inputs,
        suite_record(suite),
        name=options.name or run_name(inputs.model.source, suite.name, inputs.images.name, options.defense, "sample"),
        defense=options.defense,
        seed=options.seed,
        batch_size=options.batch_size,
        released=None,
        device=options.device,
        inference=options.inference,
    )
    task = SampleTask(
        build=partial(defended, inputs.model, options.defense),
        images=inputs.images,
        seed=options.seed,
        device=options.device,
        batch_size=options.batch_size,
        inference=options.inference,
        labels=inputs.labels,
        pixels=OnTheFly(suite.geometry, suite.scale, suite.jpeg_quality, options.seed),
        plan=plan_of(inputs.images.keys, suite.cells, options.seed),
        cells=suite.cells,
    )
    run = _Run(task, settings, precision, budget, Path(options.out) / f"{settings.run}.json")
    return run.finish(options.workers, options.progress)


def _refuse_options(options: RunOptions) -> None:
    if options.skip_broken:
        raise InputError("skip_broken (--skip-broken) needs a look at every image, which a precision does without")
    if options.released is not None:
        raise InputError("a run with a chosen precision makes its cells on the fly; leave released (--released) out")


def _check(precision: float | None, budget: int | None, cells: int) -> None:
    if precision is None and budget is None:
        raise InputError("give a precision, a budget or both; without either use the full run")
    if precision is not None and not 0 < precision < 100:
        raise InputError(f"a precision is a half-width in points, above 0 and below 100, not {precision}")
    if budget is not None and budget < cells:
        raise InputError(f"a budget must allow one block of {cells} passes, got {budget}")


def _refuse_random(inputs: Inputs, defense: str | None) -> None:
    if random_parts(defended(inputs.model, defense)):
        what = f"the defense {defense}" if defense else "the model"
        raise InputError(
            f"{what} draws at random, batch by batch, so that a run with a chosen precision would not draw as a full "
            "run does; score it without a precision"
        )


class _Run:
    """One call: what is known from an earlier one, what has to be run, and when to stop.

    Args:
        task: asks the model about one block.
        settings: that must not change when a run is continued; precision and budget are none of them.
        precision: half-width asked for.
        budget: the most passes.
        path: of the result.
    """

    def __init__(
        self, task: SampleTask, settings: Settings, precision: float | None, budget: int | None, path: Path
    ) -> None:
        self.task, self.settings, self.precision, self.budget, self.path = task, settings, precision, budget, path
        self.plan, self.cells = task.plan, list(task.cells)
        self.weighting = weighting(settings.suite.name, self.cells)
        self.cap = self.plan.images if budget is None else min(self.plan.images, budget // self.plan.cells)
        self.known: dict[str, list[NDArray[Any]]] = {name: [] for name in _ANSWERS}
        self.bytes = ""
        self.blocks = self.looked = 0
        self.half_width = inf
        now = settings.model_dump(mode="json") | {"cells": [list(cell) for cell in self.cells]}
        self.journal = Journal(path.with_suffix(".unfinished"), now)

    def finish(self, workers: Workers, progress: Progress | None) -> Sample:
        """Runs what is missing, and writes the result where it is not there already."""
        with self.journal.open():
            earlier = self._earlier()
            sample = earlier if earlier and self._suffices() else self._continue(workers, progress)
            self.journal.remove()
        return sample

    def _earlier(self) -> Sample | None:
        if not self.path.exists():
            return None
        sample = Sample.open(self.path)
        then = sample.result.model_dump(mode="json", include=set(Settings.model_fields))
        then |= {"cells": [list(key) for key in sample.result.keys]}
        refuse_changes(then, self.journal.settings, where=str(self.path))
        self._append(vars(sample.outcomes), sample.result.plan.bytes, sample.result.plan.blocks)
        return sample

    def _suffices(self) -> bool:
        return self.blocks >= self.cap or self._precise()

    def _continue(self, workers: Workers, progress: Progress | None) -> Sample:
        size, before = self.plan.cells, self.blocks * self.plan.cells

        def report(done: int, _: int) -> None:
            if progress:
                progress(before + done, max(self._expected(), before + done))

        with threads_restored():
            blocks = split(self.cap * size, size)[self.blocks :]
            run_shards(self.task, self.journal, blocks, workers=workers, progress=report, enough=self._enough)
        record = PlanRecord(
            figure=self.weighting.figure,
            precision=self.precision,
            budget=self.budget,
            blocks=self.blocks,
            bytes=self.bytes,
        )
        answers = {name: np.concatenate(parts) for name, parts in self.known.items()}
        keys = np.array(self.task.images.keys, dtype=np.str_)
        outcomes = SampledOutcomes(keys=keys, labels=self.task.labels, **answers)
        return write_sample(self.settings, self.cells, record, outcomes, self.path)

    def _enough(self) -> bool:
        """Takes up finished blocks as far as there is no gap, one look after the other, and says when to stop.

        What lies beyond the stopping block is left out: a run of many workers must stop where a run of one does.
        """
        for at in looks(self.cap):
            while self.blocks < at and self.journal.has(self.blocks):
                arrays = self.journal.read(self.blocks)
                self._append(arrays, chained(self.bytes, arrays["digest"]), self.blocks + 1)
            if self.blocks < at:
                return False
            if self.looked < at == self.blocks and self._precise():
                return True
        return True

    def _append(self, arrays: Mapping[str, NDArray[Any]], digest: str, blocks: int) -> None:
        for name, parts in self.known.items():
            parts.append(arrays[name])
        self.bytes, self.blocks = digest, blocks

    def _precise(self) -> bool:
        """Looks at the width of the interval after all blocks so far."""
        wrong = self.plan.by_cell(np.concatenate(self.known["rank"])) >= 1
        shown = self.plan.images_by_cell(self.blocks)
        here, _ = interval_variances(wrong, shown, self.weighting.weights, self.plan.images)
        self.looked, self.half_width = self.blocks, _TWO_SIDED_95 * here**0.5
        return self.precision is not None and self.half_width <= self.precision

    def _expected(self) -> int:
        """How many passes will be needed in all, by the width at the last look."""
        if self.precision is None or not self.looked:
            return self.cap * self.plan.cells
        blocks = ceil(self.looked * (self.half_width / self.precision) ** 2)
        return min(self.cap, max(blocks, self.blocks)) * self.plan.cells


def chained(before: str, digests: NDArray[np.str_]) -> str:
    """Digest of the bytes of the images of a block and of all blocks before it.

    Args:
        before: the same of the block before; empty for the first.
        digests: of the images, in order of the passes.
    """
    return blake2b("\n".join([before, *digests.tolist()]).encode(), digest_size=32).hexdigest()
