"""Trains OAT, OATS and dedicated models on a data set, and writes checkpoints with cards."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from stormbench.benchmarks.training.begun import check_begun, forget, images_record
from stormbench.benchmarks.training.loader import loader
from stormbench.benchmarks.training.provenance import CHECKPOINT, UNFINISHED, refuse_another, versions
from stormbench.datasets import Geometry, ImageSet, match_classes
from stormbench.defenses.oat.card import Card, read_card, write_checkpoint
from stormbench.defenses.oat.model import ConditionalModel
from stormbench.defenses.oat.recipe import Recipe
from stormbench.defenses.oat.spec import NetworkSpec
from stormbench.defenses.oat.training import train
from stormbench.defenses.training.distributed import Precision, Strategy, launch
from stormbench.defenses.training.loop import Progress
from stormbench.errors import InputError


@dataclass(frozen=True)
class _Work:
    """The training, as every process does it; it travels to them by pickle."""

    network: NetworkSpec
    recipe: Recipe
    images: ImageSet
    geometry: Geometry | None
    data: dict[str, Any]
    out: Path
    report: Callable[[Progress], None] | None

    def __call__(self, strategy: Strategy) -> None:
        torch.manual_seed(self.recipe.seed)
        model = ConditionalModel(self.network)
        load = loader(self.images, match_classes(self.images, self.network.classes), self.geometry, "cpu")
        unfinished = self.out / UNFINISHED
        report = None if strategy.rank else self.report
        history = train(
            model, load, len(self.images), self.recipe, checkpoint=unfinished, report=report, strategy=strategy
        )
        if strategy.rank:
            return
        write_checkpoint(
            model,
            self.out / CHECKPOINT,
            recipe=self.recipe,
            data=self.data,
            versions=versions(),
            history=[asdict(progress) for progress in history],
        )
        forget(unfinished)


def train_conditional(
    network: NetworkSpec,
    images: ImageSet,
    out: Path,
    recipe: Recipe,
    *,
    geometry: Geometry | None = None,
    device: str = "cpu",
    devices: int = 1,
    precision: Precision = "32-true",
    report: Callable[[Progress], None] | None = None,
) -> tuple[Path, Card]:
    """Trains a model and writes its checkpoint; an interrupted training is continued, a finished one is not repeated.

    Args:
        network: what to train.
        images: labelled images.
        out: folder of the checkpoint ``model.safetensors``, and of the state of an unfinished training.
        recipe: how to train.
        geometry: how images are brought to one size; None where they have one.
        device: ``cpu``, ``cuda``, ``cuda:1``.
        devices: how many; several need Lightning Fabric.
        precision: ``32-true``, ``bf16-mixed`` or ``16-mixed``; mixed precision needs Lightning Fabric.
        report: called after every step; with several devices it travels to another process by pickle.

    Returns:
        The path of the checkpoint, and its card.

    Raises:
        StormbenchError: see ``stormbench.errors``; finished epochs are kept.
    """
    if network.classes != len(images.classes):
        raise InputError(f"{images.name} has {len(images.classes)} classes, the network {network.classes}")
    data = images_record(images, geometry)
    path = out / CHECKPOINT
    if not path.exists():
        check_begun(out / UNFINISHED, data)
        work = _Work(network, recipe, images, geometry, data, out, report)
        launch(work, device=device, devices=devices, precision=precision)
    card = read_card(path)
    settings = {**asdict(network), **asdict(recipe), **data}
    refuse_another(path, settings, {**asdict(card.network), **asdict(card.recipe), **card.data})
    return path, card
