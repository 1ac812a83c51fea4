"""Recipes in mixed precision and on several processes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stormbench.defenses.networks.residual import small
from stormbench.defenses.training import read_recipe, train_model
from stormbench.defenses.training.distributed import Strategy, launch

pytest.importorskip("lightning_fabric")


class Trained:
    """Trains in another process and leaves its weights in a file."""

    def __init__(self, name: str, load: Callable[..., Any], out: Path) -> None:
        self.name, self.load, self.out = name, load, out

    def __call__(self, strategy: Strategy) -> None:
        torch.manual_seed(0)
        model = small(3, channels=4)
        recipe = read_recipe(self.name).changed(["epochs=2", "batch=16", "optimiser.rate=0.05"])
        recipe = recipe.changed(["inner.steps=2"]) if "steps=10" in recipe.inner else recipe
        train_model(model, recipe, self.load, 48, strategy=strategy)
        torch.save(model.state_dict(), self.out / f"{strategy.rank}.pt")


@pytest.mark.parametrize("name", ["trades-awp", "free", "gradalign", "mart"])
def test_mixed_precision_trains_weights_of_32_bits(name: str, pictures: Any, tmp_path: Path) -> None:
    launch(Trained(name, pictures, tmp_path), precision="bf16-mixed")
    state = torch.load(tmp_path / "0.pt", weights_only=True)
    torch.manual_seed(0)
    start = small(3, channels=4).state_dict()
    assert all(value.dtype != torch.bfloat16 and value.isfinite().all() for value in state.values())
    assert not torch.equal(state["0.weight"], start["0.weight"])


def test_images_stay_in_the_ball_in_mixed_precision(pictures: Any, tmp_path: Path) -> None:
    """The attack's images are 32-bit: rounded to 16 they would leave the ball and [0, 1]."""
    seen = list[torch.Tensor]()

    def work(strategy: Strategy) -> None:
        model = small(3, channels=4)
        model.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
        recipe = read_recipe("pgd-at").changed(["epochs=1", "batch=16", "inner.steps=2", "views=noise:share=0"])
        train_model(model, recipe, pictures, 48, strategy=strategy)

    launch(work, precision="bf16-mixed")
    assert all(each.dtype == torch.float32 and each.min() >= 0 and each.max() <= 1 for each in seen)
    nearest = [(seen[-1][:, None] - pictures.images[None]).abs().amax(dim=(2, 3, 4)).amin(dim=1)]
    assert torch.stack(nearest).max() <= 8 / 255 + 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["awp"])
def test_two_processes_hold_the_same_weights(name: str, pictures: Any, tmp_path: Path) -> None:
    launch(Trained(name, pictures, tmp_path), devices=2)
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    statistics = {key for key in one if "running" in key or "tracked" in key}  # every process has its own
    assert all(torch.equal(one[key], other[key]) for key in one.keys() - statistics)
