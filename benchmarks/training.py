"""Fits defenses on a data set."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stormbench.benchmarks.models.loading import Model
from stormbench.datasets import Geometry, ImageSet, match_classes
from stormbench.defenses.rain.defense import RAIN
from stormbench.defenses.rain.enhancers import UpsamplerName, load_enhancer
from stormbench.defenses.rain.small import SmallEnhancer
from stormbench.defenses.rain.training import Report, TrainingSettings, train_enhancer
from stormbench.defenses.rain.weights import write_weights
from stormbench.errors import InputError

# Decoded pictures that are kept in memory between epochs: about 150 MB at 32x32, 6 GB at 224x224.
_KEPT_PICTURES = 40_000


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
        StormbenchError: see ``stormbench.errors``; finished epochs are kept.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"the enhancer is written as .safetensors; {out} ends otherwise")
    torch.manual_seed(settings.seed)
    rain = RAIN(model, shift=shift, seed=settings.seed)
    rain.enhancer = load_enhancer(*start) if start else SmallEnhancer(features, blocks)
    rain.to(device)
    state = out.with_suffix(".unfinished")
    load = _loader(images, match_classes(images, model.num_classes), geometry, device)
    train_enhancer(rain, load, len(images), settings, checkpoint=state, report=report)
    write_weights(rain.enhancer, out)
    if settings.moving_batch_norm:
        write_weights(model.network, out.with_suffix(".classifier.safetensors"))
    state.unlink()
    return out


def _loader(
    images: ImageSet, labels: np.ndarray, geometry: Geometry | None, device: str
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    @lru_cache(maxsize=_KEPT_PICTURES)
    def picture(index: int) -> Tensor:
        decoded = images.read(index)
        pixels = np.array(decoded) if geometry is None else geometry(decoded)
        return torch.from_numpy(pixels).permute(2, 0, 1)

    def load(indices: Tensor) -> tuple[Tensor, Tensor]:
        batch = [picture(index) for index in indices.tolist()]
        if len({each.shape for each in batch}) > 1:
            raise InputError(f"the images of {images.name} come in several sizes; give --resize and --crop")
        return torch.stack(batch).to(device).float() / 255, torch.from_numpy(labels[indices.numpy()]).to(device)

    return load
