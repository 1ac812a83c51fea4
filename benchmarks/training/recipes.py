"""Trains a network by a recipe on a data set, and writes it with a card."""

import copy
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from stormbench.benchmarks.training.begun import check_begun, forget, images_record
from stormbench.benchmarks.training.loader import loader
from stormbench.benchmarks.training.provenance import CHECKPOINT, UNFINISHED, refuse_another, versions
from stormbench.benchmarks.training.pseudo_labels import FILE, PseudoLabels, pseudo_labels
from stormbench.datasets import Geometry, ImageSet, match_classes
from stormbench.defenses.training.batch import Batch
from stormbench.defenses.training.build import build_objective, build_training, make_pools
from stormbench.defenses.training.card import (
    NetworkCard,
    TrainedNetwork,
    TrainingCard,
    read_training_card,
    write_network,
)
from stormbench.defenses.training.distributed import Precision, Strategy, launch
from stormbench.defenses.training.loop import Load, Progress
from stormbench.defenses.training.recipe import Recipe
from stormbench.errors import InputError

_TIMED_STEPS = 3


@dataclass(frozen=True)
class Estimate:
    """What a training will cost.

    Attributes:
        passes: forward and backward passes per image and step.
        seconds: of the whole training, from the mean of a few steps in 32 bits on one device.
    """

    passes: float
    seconds: float


@dataclass(frozen=True)
class _Work:
    """The training, as every process does it; it travels to them by pickle."""

    network: NetworkCard
    recipe: Recipe
    images: ImageSet
    geometry: Geometry | None
    data: dict[str, Any]
    out: Path
    more: tuple[ImageSet, PseudoLabels] | None
    report: Callable[[Progress], None] | None
    estimate: Callable[[Estimate], None] | None

    def __call__(self, strategy: Strategy) -> None:
        torch.manual_seed(self.recipe.seed)
        model = TrainedNetwork(self.network)
        load, count = self._load()
        first = strategy.rank == 0
        unfinished = self.out / UNFINISHED
        if self.estimate is not None and first and not unfinished.exists():
            self.estimate(estimated(model, self.recipe, load, count, strategy.device))
        training = build_training(
            model,
            self.recipe,
            load,
            count,
            labelled=len(self.images) if self.more else None,
            settings={"network": asdict(self.network), "data": self.data},
            checkpoint=unfinished,
            report=self.report if first else None,
            strategy=strategy,
        )
        history = training.run()
        if not first:
            return
        write_network(
            model,
            self.out / CHECKPOINT,
            recipe=self.recipe,
            data=self.data,
            versions=versions(),
            history=[asdict(progress) for progress in history],
            passes=build_objective(model, self.recipe).passes,
            collapsed=training.detector.collapsed if training.detector else 0,
        )
        forget(unfinished)

    def _load(self) -> tuple[Load, int]:
        """All images in one numbering, those with pseudo-labels last, and how many there are."""
        own = loader(self.images, match_classes(self.images, self.network.classes), self.geometry, "cpu")
        if self.more is None:
            return own, len(self.images)
        images, labels = self.more
        return joined(own, len(self.images), loader(images, labels.array(), self.geometry, "cpu")), len(
            self.images
        ) + len(images)


def joined(first: Load, count: int, second: Load) -> Load:
    """One loader for two sets: indices from ``count`` on are of the second."""

    def load(indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        own = indices < count
        if own.all():
            return first(indices)
        parts = [
            each(chosen) for each, chosen in ((first, indices[own]), (second, indices[~own] - count)) if len(chosen)
        ]
        order = torch.cat([own.nonzero(), (~own).nonzero()]).flatten().argsort()
        images, labels = (torch.cat(each)[order] for each in zip(*parts, strict=True))
        return images, labels

    return load


def train_recipe(
    recipe: Recipe,
    images: ImageSet,
    out: Path,
    *,
    arch: str = "small",
    unlabelled: ImageSet | None = None,
    teacher: str | None = None,
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0),
    std: tuple[float, float, float] = (1.0, 1.0, 1.0),
    geometry: Geometry | None = None,
    device: str = "cpu",
    devices: int = 1,
    precision: Precision = "32-true",
    report: Callable[[Progress], None] | None = None,
    estimate: Callable[[Estimate], None] | None = None,
) -> tuple[Path, TrainingCard]:
    """Trains a network and writes its file; an interrupted training is continued, a finished one is not repeated.

    Args:
        recipe: how to train.
        images: labelled images.
        out: folder of ``model.safetensors``, and of the state of an unfinished training.
        arch: a name in ``NETWORKS``, ``torchvision:NAME`` or ``timm:NAME``.
        unlabelled: further images, whose labels the teacher gives; for recipes with two pools.
        teacher: a model as ``load_model`` spells it; its answers are kept as ``pseudo-labels.json``.
        mean: subtracted from each channel of pixels in [0, 1].
        std: divides each channel afterwards.
        geometry: how images are brought to one size; None where they have one.
        device: ``cpu``, ``cuda``, ``cuda:1``.
        devices: how many; several need Lightning Fabric.
        precision: ``32-true``, ``bf16-mixed`` or ``16-mixed``; mixed precision needs Lightning Fabric.
        report: called after every step; with several devices it travels to another process by pickle.
        estimate: called once before a new training starts, likewise.

    Returns:
        The path of the network, and its card.

    Raises:
        StormbenchError: see ``stormbench.errors``; finished epochs are kept.
    """
    if min(std) <= 0:
        raise InputError(f"normalisation divides by std: positive numbers, not {std}")
    network = NetworkCard(arch=arch, classes=len(images.classes), mean=mean, std=std)
    build_objective(torch.nn.Identity(), recipe)  # refuses what does not fit before images are read
    make_pools(recipe, mixed=unlabelled is not None and teacher is not None)
    data = images_record(images, geometry)
    more = None
    if unlabelled is not None and teacher is not None:
        labels = pseudo_labels(teacher, unlabelled, images.classes, out / FILE, geometry=geometry, device=device)
        more = (unlabelled, labels)
        data |= {"pseudo": {key: value for key, value in asdict(labels).items() if key not in ("labels", "classes")}}
    path = out / CHECKPOINT
    if not path.exists():
        check_begun(out / UNFINISHED, data)
        work = _Work(network, recipe, images, geometry, data, out, more, report, estimate)
        launch(work, device=device, devices=devices, precision=precision)
    card = read_training_card(path)
    settings = {**asdict(network), **asdict(recipe), **data}
    refuse_another(path, settings, {**asdict(card.network), **asdict(card.recipe), **card.data})
    return path, card


def estimated(model: TrainedNetwork, recipe: Recipe, load: Load, count: int, device: torch.device) -> Estimate:
    """Passes per image and time of a training, from three steps on a copy of the model.

    Args:
        model: is not changed.
        recipe: how it will be trained.
        load: gives images and labels.
        count: how many images there are.
        device: where.
    """
    objective = build_objective(copy.deepcopy(model).to(device), recipe).train()
    images, labels = (each.to(device) for each in load(torch.arange(min(recipe.batch, count))))
    steps = recipe.epochs * recipe.replays * -(-count // recipe.batch)
    times = []
    with torch.random.fork_rng():
        for _ in range(_TIMED_STEPS):
            began = time.perf_counter()
            outcome = objective(Batch(images, labels, share=1.0), torch.Generator().manual_seed(0))
            torch.autograd.backward(outcome.loss)
            objective.after_step()
            outcome.loss.item()  # waits for the device
            times.append(time.perf_counter() - began)
    return Estimate(objective.passes, min(times) * steps)
