"""Trains OAT, OATS and dedicated models on a data set, and writes checkpoints with cards."""

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from stormbench.benchmarks.training.loader import loader
from stormbench.datasets import Geometry, ImageSet, match_classes
from stormbench.datasets.inspection import inspect_images
from stormbench.defenses.oat.card import Card, read_card, write_checkpoint
from stormbench.defenses.oat.machine import Machine, Precision, on_machine
from stormbench.defenses.oat.model import ConditionalModel
from stormbench.defenses.oat.recipe import Recipe
from stormbench.defenses.oat.spec import NetworkSpec
from stormbench.defenses.oat.training import Progress, train
from stormbench.errors import InputError, SettingsChangedError
from stormbench.versions import version_of

CHECKPOINT = "model.safetensors"
_VERSIONS_OF = ("stormbench", "torch", "numpy")


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

    def __call__(self, machine: Machine) -> None:
        torch.manual_seed(self.recipe.seed)
        model = ConditionalModel(self.network)
        load = loader(self.images, match_classes(self.images, self.network.classes), self.geometry, "cpu")
        unfinished = self.out / "training.unfinished"
        report = None if machine.rank else self.report
        history = train(
            model, load, len(self.images), self.recipe, checkpoint=unfinished, report=report, machine=machine
        )
        if machine.rank:
            return
        write_checkpoint(
            model,
            self.out / CHECKPOINT,
            recipe=self.recipe,
            data=self.data,
            versions={"python": platform.python_version()} | {lib: version_of(lib) for lib in _VERSIONS_OF},
            history=[asdict(progress) for progress in history],
        )
        unfinished.unlink()


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
    found = inspect_images(images, workers=0)
    data = {
        "name": images.name,
        "images": len(images),
        "fingerprint": found.fingerprint,
        "classes": list(images.classes),
        "geometry": json.loads(json.dumps(asdict(geometry))) if geometry else None,  # as the card will have it
    }
    path = out / CHECKPOINT
    if not path.exists():
        work = _Work(network, recipe, images, geometry, data, out, report)
        on_machine(work, device=device, devices=devices, precision=precision)
    card = read_card(path)
    _refuse_another(card, network, recipe, data, path)
    return path, card


def _refuse_another(card: Card, network: NetworkSpec, recipe: Recipe, data: dict[str, Any], path: Path) -> None:
    now = {**asdict(network), **asdict(recipe), **data}
    then = {**asdict(card.network), **asdict(card.recipe), **card.data}
    for name in (name for name in now if now[name] != then.get(name)):
        changed = f"{path} was trained with {name} {then.get(name)}, this run has {now[name]}"
        raise SettingsChangedError(f"{changed}; choose another output or remove it")
