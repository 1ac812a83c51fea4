"""Asks the model again: a random sample of a result's predictions is recomputed and compared."""

import secrets
from dataclasses import asdict
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

import numpy as np

from stormbench.benchmarks.evaluation.recompute import Recomputation, recomputation
from stormbench.benchmarks.evaluation.sampled.recompute import check_stop, recomputed_sample, same_images
from stormbench.benchmarks.models.loading import load_model
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.run import Run
from stormbench.benchmarks.results.samples import Sample, is_sample
from stormbench.benchmarks.results.settings import Settings
from stormbench.benchmarks.results.verifications import Verification
from stormbench.datasets import ImageSet, open_images
from stormbench.datasets.inspection import decodable_images, inspect_images
from stormbench.errors import InputError, ResultError
from stormbench.execution.runner import Progress
from stormbench.execution.shards import Shard
from stormbench.files import file_digest
from stormbench.versions import version_of

# However small the sample asked for: a forged cell of 75 should have a chance to be in it.
_LEAST_UNITS = 10


Unit = tuple[Shard, int]  # a shard, and a cell of it


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
    """Recomputes a random sample of the (image, cell) pairs of a result, on images or on sequences.

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
    stored = _of_sample(path, model, data, device) if is_sample(path) else _of_run(path, model, data, released, device)
    seed = secrets.randbits(31) if seed is None else seed
    units = _sample(stored, sample, seed)
    recomputed, equal, total = 0, 0, sum(len(shard) * stored.frames[cell] for shard, cell in units)
    for shard, cell in units:
        agrees = stored.agrees(shard, cell)
        recomputed, equal = recomputed + agrees.size, equal + int(agrees.sum())
        if progress:
            progress(recomputed, total)
    return Verification(
        result=file_digest(path),
        recomputed=recomputed,
        equal=equal,
        seed=seed,
        created=datetime.now(UTC).replace(microsecond=0),
        versions={library: version_of(library) for library in ("stormbench", "torch", "numpy")},
    )


def _of_run(path: Path, model: str, data: str | Path, released: str | Path | None, device: str) -> Recomputation:
    run = Run.open(path)
    given = same_model(path, run.result, model), _same_images(run, data)
    return recomputation(run, *given, released, device)


def _of_sample(path: Path, model: str, data: str | Path, device: str) -> Recomputation:
    sample = Sample.open(path)
    check_stop(sample)
    given = same_model(path, sample.result, model), same_images(sample, data)
    return recomputed_sample(sample, *given, device)


def _sample(stored: Recomputation, share: float, seed: int) -> list[Unit]:
    units = [(shard, cell) for shard in stored.shards for cell in range(len(stored.frames))]
    wanted = min(len(units), max(_LEAST_UNITS, ceil(share * len(units))))
    chosen = np.random.default_rng(seed).choice(len(units), size=wanted, replace=False)
    return [units[index] for index in sorted(chosen.tolist())]


def same_model(path: Path, result: Settings, spec: str) -> Model:
    """Loads a model that has to have the weights of a result.

    Raises:
        ResultError: it has others.
    """
    model = load_model(spec, **asdict(result.model.preprocessing))
    if model.digest != result.model.digest:
        raise ResultError(
            f"{path} was made with the weights {result.model.digest[:16]}..., {spec} has {model.digest[:16]}...; "
            "give the very weights that were scored"
        )
    return model


def _same_images(run: Run, data: str | Path) -> ImageSet:
    result = run.result
    images = open_images(data)
    wanted = result.data.images + len(result.data.skipped)
    images = images.subset(range(min(wanted, len(images))))
    found = inspect_images(images, workers=0)
    if found.fingerprint != result.data.fingerprint:
        raise ResultError(
            f"{run.path} was made on {result.data.images} images with the fingerprint {result.data.fingerprint}, "
            f"the first {len(images)} of {data} have {found.fingerprint}; give the very images that were scored"
        )
    return decodable_images(images, found, skip_broken=True)
