from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from stormbench.defenses.networks.residual import small
from stormbench.defenses.training import Batch


@dataclass
class Pictures:
    """Dark, middling and bright noise of three classes: what a few steps learn."""

    images: Tensor
    labels: Tensor

    def __call__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        return self.images[indices], self.labels[indices]

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, share: float = 0.0) -> Batch:
        return Batch(self.images[:16], self.labels[:16], share=share)


@pytest.fixture
def pictures() -> Pictures:
    labels = torch.arange(50) % 3
    noise = torch.rand(50, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.2
    return Pictures(noise + labels.view(-1, 1, 1, 1) * 0.3, labels)


@pytest.fixture
def fresh() -> Callable[[], nn.Module]:
    """The same tiny network, with batch norms, at every call."""

    def make() -> nn.Module:
        torch.manual_seed(0)
        return small(3, channels=4)

    return make


@pytest.fixture
def draws() -> torch.Generator:
    return torch.Generator().manual_seed(7)
