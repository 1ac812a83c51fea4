"""Builds the settings that a run is recorded and continued under."""

import platform
import re
from dataclasses import asdict
from pathlib import Path

from torch import nn

from stormbench.benchmarks.evaluation.device import device_record
from stormbench.benchmarks.evaluation.inputs import Inputs
from stormbench.benchmarks.models.inference import FLOAT32, Inference
from stormbench.benchmarks.models.model import uses_library
from stormbench.benchmarks.results.settings import (
    DataRecord,
    DefenseRecord,
    InferenceRecord,
    ModelRecord,
    Settings,
    SuiteRecord,
)
from stormbench.benchmarks.suites.registry import Suite
from stormbench.datasets.on_disk.manifest import Manifest
from stormbench.defenses import defend, draws_per_decision, own_weights_digest
from stormbench.errors import DataError
from stormbench.versions import version_of

_VERSIONS_OF = (
    *("stormbench", "numpy", "scipy", "numba", "llvmlite", "opencv-python", "Pillow"),
    *("torch", "torchvision"),
)


def settings_of(
    inputs: Inputs,
    suite: SuiteRecord,
    *,
    name: str | None,
    defense: str | None,
    seed: int,
    batch_size: int,
    released: str | None,
    device: str,
    inference: Inference,
) -> Settings:
    """What the result says of a run, and what an interrupted run is continued under.

    Args:
        inputs: the model and the images.
        suite: how the pixels are made.
        name: the run's name; by default made of the model's, the suite's, the data's and the defense's.
        defense: specification of the defense, if any.
        seed: of everything that is drawn.
        batch_size: images or frames that go through the model at once.
        released: what the released set is called that the pixels are read from, if any.
        device: where the model runs.
        inference: how the model computes.
    """
    model, images = inputs.model, inputs.images
    more = defense, "released" if released else None, *inference.names()
    libraries = (*_VERSIONS_OF, "timm") if uses_library(model, "timm") else _VERSIONS_OF
    return Settings(
        run=name or run_name(model.source, suite.name, images.name, *more),
        suite=suite,
        model=ModelRecord(
            source=model.source, digest=model.digest, classes=model.num_classes, preprocessing=model.preprocessing
        ),
        defense=_defense_record(model, defense, seed),
        data=DataRecord(
            name=images.name,
            images=len(inputs.sound),
            classes=len(images.classes),
            fingerprint=inputs.found.fingerprint,
            skipped=[images.keys[index] for index in inputs.found.broken],
            released=released,
        ),
        seed=seed,
        batch_size=batch_size,
        versions={"python": platform.python_version()} | {lib: version_of(lib) for lib in libraries},
        device=device_record(device),
        inference=None if inference.plain else InferenceRecord(**asdict(inference)),
    )


def inference_of(settings: Settings) -> Inference:
    """How the model of a run computed."""
    return Inference(**settings.inference.model_dump()) if settings.inference else FLOAT32


def suite_record(suite: Suite) -> SuiteRecord:
    """What a result says of how its pixels were made."""
    return SuiteRecord(name=suite.name, scale=suite.scale, geometry=suite.geometry, jpeg_quality=suite.jpeg_quality)


def released_name(root: Path, manifest: Manifest | None, suite: SuiteRecord, inputs: Inputs) -> str:
    """What a result calls the set on disk that its pixels came from.

    Args:
        root: the set's folder.
        manifest: of the set; published sets have none.
        suite: that is scored.
        inputs: of the run.

    Raises:
        DataError: the set was made at another scale, of images prepared otherwise, or of as many other images.
    """
    if manifest is None:
        return root.resolve().name
    ours = suite.model_dump(mode="json", exclude={"name"})
    theirs = manifest.model_dump(mode="json", include=set(ours))
    if manifest.images == len(inputs.sound):
        ours["fingerprint"], theirs["fingerprint"] = inputs.found.fingerprint, manifest.fingerprint
    for name in (name for name in ours if ours[name] != theirs[name]):
        raise DataError(f"{root} was made with {name} {theirs[name]}, this run has {ours[name]}; score like with like")
    return f"{root.resolve().name} {manifest.digest}"


def _defense_record(model: nn.Module, defense: str | None, seed: int) -> DefenseRecord | None:
    if not defense:
        return None
    built = defend(model, defense)
    draws = draws_per_decision(built)
    return DefenseRecord(spec=defense, seed=seed, draws=draws, weights=own_weights_digest(built))


def run_name(source: str, suite: str, data: str, *more: str | None) -> str:
    """A file name that tells runs apart: ``resnet50-IMAGENET1K_V2.imagenet-c.val``."""
    checkpoint = re.sub(r"\.[^.#]+(?=#|$)", "", Path(source.split("@")[0]).name)  # net.pth#ema: net#ema
    model = checkpoint if source.startswith("checkpoint:") else source.partition(":")[2] or source
    parts = [model, suite, data, *filter(None, more)]
    return ".".join(re.sub(r"[^\w=,-]+", "-", part).strip("-") for part in parts)
