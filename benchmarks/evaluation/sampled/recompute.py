"""Recomputes blocks of a run with a chosen precision, and checks that it stopped where its own rule says."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.evaluation.inputs import defended
from stormbench.benchmarks.evaluation.recompute import Recomputation
from stormbench.benchmarks.evaluation.sampled.evaluate import chained
from stormbench.benchmarks.evaluation.sampled.task import SampleTask
from stormbench.benchmarks.evaluation.settings import inference_of
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.samples import Sample
from stormbench.benchmarks.suites.weights import weighting
from stormbench.datasets import ImageSet, match_classes, open_images
from stormbench.datasets.inspection import names_fingerprint
from stormbench.datasets.on_the_fly import OnTheFly
from stormbench.errors import ResultError
from stormbench.execution.shards import Shard, split


def check_stop(sample: Sample) -> None:
    """Holds the number of blocks against the precision and the budget: who stops at a lucky moment is found out.

    Raises:
        ResultError: the run went on, or ended, against its own rule.
    """
    stop = sample.stop_by_rule(weighting(sample.result.suite.name, sample.result.keys).weights)
    if sample.result.plan.blocks != stop:
        raise ResultError(
            f"{sample.path} has {sample.result.plan.blocks} blocks; by its precision and budget it had to stop "
            f"after {stop}"
        )


def same_images(sample: Sample, data: str | Path) -> ImageSet:
    """Opens a data set that has to be that of a run: all names and classes, and the bytes of the images it used.

    Raises:
        ResultError: it is another.
    """
    result = sample.result
    images = open_images(data)
    images = images.subset(range(min(result.data.images, len(images))))
    if names_fingerprint(images) != result.data.fingerprint:
        raise ResultError(f"{sample.path} was made on images of other names or classes; give the images that were used")
    digest, size = "", len(result.cells)
    for block in split(result.passes, size):
        used, _ = sample.plan.passes(block.start, block.stop)
        digest = chained(digest, np.array([images.digest(index) for index in used.tolist()], dtype=np.str_))
    if digest != result.plan.bytes:
        raise ResultError(f"{sample.path} was made on images of other bytes; give the very images that were used")
    return images


def recomputed_sample(sample: Sample, model: Model, images: ImageSet, device: str) -> Recomputation:
    """Prepares to recompute a run block by block."""
    result, suite = sample.result, sample.result.suite
    task = SampleTask(
        build=partial(defended, model, result.defense.spec if result.defense else None),
        images=images,
        seed=result.seed,
        device=device,
        batch_size=result.batch_size,
        inference=inference_of(result),
        labels=match_classes(images, model.num_classes),
        pixels=OnTheFly(suite.geometry, suite.scale, suite.jpeg_quality, result.seed),
        plan=sample.plan,
        cells=result.keys,
    )

    def agrees(block: Shard, _: int) -> NDArray[np.bool_]:
        return np.asarray(task(block)["prediction"] == sample.outcomes.prediction[block.start : block.stop])

    return Recomputation(split(result.passes, len(result.cells)), [1], agrees)
