"""Small models for the tests of defenses and attacks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stormbench.benchmarks import load_model

ROOT = Path(__file__).parents[2]


class Tiny(nn.Module):
    """Any image to some logits; batch norm, so that a change of mode would show."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
        self.last = nn.Linear(32, classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.last(self.net(images).flatten(1))
        return logits


class Linear(nn.Module):
    """``W x + b``: every attack's best answer is known in closed form."""

    def __init__(self, classes: int = 3, side: int = 8) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(5)
        self.weight = nn.Parameter(torch.randn(classes, 3 * side * side, generator=draw) / side)

    def forward(self, images: Tensor) -> Tensor:
        return (images - 0.5).flatten(1) @ self.weight.T


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return Tiny().eval()


@pytest.fixture
def linear() -> Linear:
    return Linear()


@pytest.fixture(scope="session")
def resnet20(shared: Path) -> nn.Module:
    """A public CIFAR-10 network, 91.5 % right on the first 1,000 test images."""
    weights = shared / "data/cifar10-weights/resnet20-12fca82f.th"
    return load_model(f"checkpoint:{weights}@python:{ROOT / 'docs/examples/cifar_resnet.py'}:resnet20")


@pytest.fixture(scope="session")
def cifar(shared: Path) -> tuple[Tensor, Tensor]:
    """The first images of CIFAR-10's test set, ``(1000, 3, 32, 32)`` in [0, 1], and their classes."""
    with np.load(shared / "data/cifar10/cifar10_test_first1000.npz") as arrays:
        images = torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2) / 255
        return images, torch.from_numpy(arrays["labels"])
