from collections.abc import Callable
from typing import Any

import pytest
import torch

from stormbench.defenses.oat import ConditionalModel, NetworkSpec

Build = Callable[..., ConditionalModel]


@pytest.fixture
def build() -> Build:
    """Builds a tiny network of three classes, in evaluation mode, whose batch norms differ from each other."""

    def make(**changes: Any) -> ConditionalModel:
        torch.manual_seed(0)
        settings: dict[str, Any] = {"arch": "small", "channels": 4, "classes": 3, "code_length": 8, "residual": True}
        model = ConditionalModel(NetworkSpec(**settings | changes)).eval()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                module.running_mean.uniform_(-0.5, 0.5)  # type: ignore[union-attr]
                module.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
        return model

    return make


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
