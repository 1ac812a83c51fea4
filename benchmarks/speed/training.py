"""Times the training loop beside a bare loop in plain torch that does the same work, taking turns."""

from dataclasses import dataclass
from time import process_time

import torch
from torch import Tensor
from torch.nn import functional

from stormbench.defenses.networks.registry import build_network
from stormbench.defenses.training import read_recipe, train_model
from stormbench.defenses.training.views.augmentation import augmented

_BATCH = 128
_ATTACK_STEPS = 7


@dataclass(frozen=True)
class TrainingSpeed:
    """CPU time of this process per training step in milliseconds, the least of all turns: other work only adds to it.

    Attributes:
        arch: the network.
        batch: images per step, 32x32.
        standard: a step of the recipe ``standard``.
        bare: the same work in a bare loop.
        attacked: a step of the recipe ``pgd-at``.
        attack_steps: steps of its attack.
    """

    arch: str
    batch: int
    standard: float
    bare: float
    attacked: float
    attack_steps: int

    @property
    def overhead(self) -> float:
        """What the loop costs beside the bare one, as a share of it."""
        return self.standard / self.bare - 1

    @property
    def attack_step(self) -> float:
        """A step of the attack as a share of a training step."""
        return (self.attacked - self.standard) / self.attack_steps / self.standard


def measure_training(*, arch: str = "small", steps: int = 10, times: int = 5) -> TrainingSpeed:
    """Trains with random images, in turns: by a recipe, bare, and under attack.

    Args:
        arch: the network.
        steps: training steps in a turn.
        times: turns.
    """
    images = torch.rand(steps * _BATCH, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(len(images)) % 10
    _by_recipe("standard", arch, images[:_BATCH], labels[:_BATCH])  # what is done once
    turns = [
        (
            _by_recipe("standard", arch, images, labels),
            _bare(arch, images, labels),
            _by_recipe("pgd-at", arch, images, labels),
        )
        for _ in range(times)
    ]
    standard, bare, attacked = (1000 * min(column) / steps for column in zip(*turns, strict=True))
    return TrainingSpeed(arch, _BATCH, standard, bare, attacked, _ATTACK_STEPS)


def _by_recipe(name: str, arch: str, images: Tensor, labels: Tensor) -> float:
    changes = ["epochs=1", f"batch={_BATCH}"]
    recipe = read_recipe(name).changed([*changes, *([f"inner.steps={_ATTACK_STEPS}"] if name == "pgd-at" else [])])
    model = build_network(arch, 10)
    began = process_time()
    train_model(model, recipe, lambda indices: (images[indices], labels[indices]), len(images))
    return process_time() - began


def _bare(arch: str, images: Tensor, labels: Tensor) -> float:
    model, draws = build_network(arch, 10).train(), torch.Generator().manual_seed(0)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    began = process_time()
    for indices in torch.randperm(len(images), generator=draws).split(_BATCH):
        loss = functional.cross_entropy(model(augmented(images[indices], draws)), labels[indices])
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        loss.item()
    return process_time() - began
