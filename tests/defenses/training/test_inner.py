"""The training attacks: inside their space, uphill, and without a trace in the model."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from stormbench.defenses.training.inners.pgd import PGD, Draw, loss_for
from stormbench.defenses.training.spaces.gaussian import Gaussian
from stormbench.defenses.training.spaces.pixel import Pixel

Fresh = Callable[[], nn.Module]
SPACE = Pixel(eps=0.05)


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("start", ["uniform", "normal", "zero", "edge"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_stays_in_the_ball_and_climbs(
    start: Any, norm: Any, fresh: Fresh, pictures: Any, draws: torch.Generator
) -> None:
    model, batch, space = fresh().train(), pictures.batch(), Pixel(norm=norm, eps=0.05 if norm == "linf" else 1.0)
    before = state(model)
    moved = PGD(steps=4, step=space.eps / 3, start=start)(model, space, batch, draws)
    assert space.ball.distance(moved, batch.images).max() <= space.eps + 1e-5
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert not moved.requires_grad
    assert not batch.images.requires_grad
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    model.eval()
    losses = [functional.cross_entropy(model(each), batch.labels).item() for each in (batch.images, moved)]
    assert losses[1] > losses[0]


def test_in_training_mode_the_statistics_move(fresh: Fresh, pictures: Any, draws: torch.Generator) -> None:
    model = fresh().eval()
    before = state(model)
    PGD(steps=1, mode="train")(model, SPACE, pictures.batch(), draws)
    assert not model.training
    assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_one_frozen_batch_norm_stays_frozen(fresh: Fresh, pictures: Any, draws: torch.Generator) -> None:
    model = fresh().train()
    norm = next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d)).eval()
    PGD(steps=1)(model, SPACE, pictures.batch(), draws)
    assert not norm.training
    assert model.training


def test_the_least_likely_class_is_chosen_once_on_the_clean_image(fresh: Fresh, pictures: Any) -> None:
    model, batch = fresh().eval(), pictures.batch()
    least = model(batch.images).argmin(dim=1)
    loss = loss_for("ce", "least-likely", model, batch)
    other = torch.randn(16, 3)
    assert torch.allclose(loss(other), -functional.cross_entropy(other, least, reduction="none"))


def test_towards_the_predicted_class_nothing_leaks_of_the_label(fresh: Fresh, pictures: Any) -> None:
    model, batch = fresh().eval(), pictures.batch()
    losses = []
    for shift in (0, 1):
        batch.labels = (batch.labels + shift) % 3
        generator = torch.Generator().manual_seed(1)
        losses.append(PGD(steps=2, target="predicted")(model, SPACE, batch, generator))
    assert torch.equal(*losses)


def test_kl_climbs_away_from_the_clean_prediction(fresh: Fresh, pictures: Any, draws: torch.Generator) -> None:
    model, batch = fresh().eval(), pictures.batch()
    nn.init.normal_(model.get_parameter("14.weight"))  # a network that is not yet indifferent
    loss = loss_for("kl", "none", model, batch)
    assert loss(model(batch.images)).abs().max() < 1e-6
    moved = PGD(steps=3, start="normal", loss="kl")(model, SPACE, batch, draws)
    assert loss(model(moved)).sum() > 10 * loss(model(batch.images)).sum().abs()


def test_a_draw_has_the_deviation_that_was_asked_for(fresh: Fresh, pictures: Any, draws: torch.Generator) -> None:
    batch = pictures.batch()
    batch.images = torch.full((16, 3, 16, 16), 0.5)
    noise = Draw()(fresh(), Gaussian(sigma=0.08), batch, draws) - 0.5
    assert noise.std().item() == pytest.approx(0.08, rel=0.03)
