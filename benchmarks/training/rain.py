"""Fits RAIN's enhancer on a data set."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.training.begun import check_begun, forget, images_record
from stormbench.benchmarks.training.loader import loader
from stormbench.datasets import Geometry, ImageSet, match_classes
from stormbench.defenses.rain.defense import RAIN
from stormbench.defenses.rain.enhancers import UpsamplerName, load_enhancer
from stormbench.defenses.rain.small import SmallEnhancer
from stormbench.defenses.rain.training import Report, TrainingSettings, train_enhancer
from stormbench.defenses.rain.weights import write_weights
from stormbench.errors import InputError
from stormbench.weights import digest_of


def train_rain(
    model: Model,
    images: ImageSet,
    out: Path,
    settings: TrainingSettings,
    *,
    geometry: Geometry | None = None,
    features: int = 32,
    blocks: int = 3,
    shift: float = 0.05,
    start: tuple[UpsamplerName, Path] | None = None,
    device: str = "cpu",
    report: Report | None = None,
) -> Path:
    """Trains RAIN's enhancer for a classifier and writes its weights.

    Args:
        model: the classifier; its weights do not change.
        images: labelled images of the classifier's classes.
        out: a ``.safetensors`` file; beside it lies the state of an unfinished run, which is continued.
        settings: see ``TrainingSettings``.
        geometry: how images are brought to one size; None where they have one.
        features: channels of a small enhancer that starts from nothing.
        blocks: its residual blocks.
        shift: RAIN's largest shift.
        start: an enhancer and the weights to start from, instead of a small one.
        device: where the training runs.
        report: called after every step.

    Returns:
        ``out``.

    Raises:
        SettingsChangedError: an unfinished run has other images, another classifier or another enhancer.
        StormbenchError: see ``stormbench.errors``; finished epochs are kept.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"the enhancer is written as .safetensors; {out} ends otherwise")
    torch.manual_seed(settings.seed)
    rain = RAIN(model, shift=shift, seed=settings.seed)
    rain.enhancer = load_enhancer(*start) if start else SmallEnhancer(features, blocks)
    rain.to(device)
    state = out.with_suffix(".unfinished")
    check_begun(state, _inputs(model, images, geometry, rain, start))
    load = loader(images, match_classes(images, model.num_classes), geometry, device)
    train_enhancer(rain, load, len(images), settings, checkpoint=state, report=report)
    write_weights(rain.enhancer, out)
    if settings.moving_batch_norm:
        write_weights(model.network, out.with_suffix(".classifier.safetensors"))
    forget(state)
    return out


def _inputs(
    model: Model, images: ImageSet, geometry: Geometry | None, rain: RAIN, start: tuple[UpsamplerName, Path] | None
) -> dict[str, Any]:
    enhancer = {"upsampler": start[0] if start else "small", "first weights": digest_of(rain.enhancer.state_dict())}
    return {
        "classifier": {"weights": model.digest, "preprocessing": asdict(model.preprocessing)},
        "data": images_record(images, geometry),
        "enhancer": enhancer | {"shift": rain.shift},
    }
