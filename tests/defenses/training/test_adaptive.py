"""Attacks with a memory or an early end: Free, FAT, IAAT, MMA, and gradient alignment."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stormbench.defenses.training import Batch, build_objective, read_recipe
from stormbench.defenses.training.inners.adaptive import InstanceAdaptive, MarginSearch, soft_logit_margin
from stormbench.defenses.training.inners.carried import Carried
from stormbench.defenses.training.inners.friendly import Friendly
from stormbench.defenses.training.inners.pgd import PGD
from stormbench.defenses.training.spaces.pixel import Pixel
from stormbench.defenses.training.terms.alignment import Align
from stormbench.defenses.training.terms.pair import Margin, Passed
from stormbench.errors import InputError

Fresh = Callable[[], nn.Module]
SPACE = Pixel(eps=0.05)


class Brightness(nn.Module):
    """Two classes, told apart at a mean brightness of a half: every margin is known."""

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(20.0))

    def forward(self, images: Tensor) -> Tensor:
        above = self.sharpness * (images.mean(dim=(1, 2, 3)) - 0.5)
        return torch.stack([-above, above], dim=1)


def grey(*levels: float, labels: tuple[int, ...]) -> Batch:
    images = torch.tensor(levels).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).clone()
    return Batch(images, torch.tensor(labels), torch.arange(len(labels)) + 5)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_friendly_with_all_its_steps_left_is_pgd(fresh: Fresh, pictures: Any) -> None:
    model, batch = fresh().eval(), pictures.batch()
    friendly = Friendly(steps=4, step=0.02, tau="4", at="")(model, SPACE, batch, seeded())
    assert torch.equal(friendly, PGD(steps=4, step=0.02)(model, SPACE, batch, seeded()))


def test_a_misclassified_image_stops_where_it_is() -> None:
    model, batch = Brightness(), grey(0.6, 0.52, 0.4, labels=(1, 1, 1))
    moved = Friendly(steps=5, step=0.03, start="zero", tau="0", at="")(model, Pixel(eps=0.1), batch, seeded())
    levels = moved[:, 0, 0, 0].tolist()
    # 0.6 is right until it is at 0.5 +- rounding; 0.52 is wrong after one step; 0.4 is wrong from the beginning
    assert levels[1:] == pytest.approx([0.49, 0.4])
    assert torch.equal(moved[2], batch.images[2])
    later = Friendly(steps=5, step=0.03, start="zero", tau="0+2", at="0.5")
    assert (later.tau_at(0.4), later.tau_at(0.5)) == (0, 2)
    batch.share = 0.5
    assert later(model, Pixel(eps=0.1), batch, seeded())[2, 0, 0, 0].item() == pytest.approx(0.34)


def test_the_free_perturbation_is_carried_and_moved_by_the_training_pass(
    fresh: Fresh, pictures: Any, draws: torch.Generator
) -> None:
    model, batch = fresh().train(), pictures.batch()
    objective = build_objective(model, read_recipe("free").changed(["inner.step=0.03", "space.eps=0.05"]))
    assert isinstance(objective.inner, Carried)
    signs = []
    for step in range(3):
        outcome = objective(batch, draws)
        torch.autograd.backward(outcome.loss)
        assert objective.inner.leaf is not None
        assert objective.inner.leaf.grad is not None
        signs.append(objective.inner.leaf.grad.sign())
        objective.after_step()
        wanted = torch.zeros(())
        for sign in signs:
            wanted = (wanted + 0.03 * sign).clamp(-0.05, 0.05)
        assert objective.inner.delta is not None
        assert torch.allclose(objective.inner.delta, wanted), step
    black = Batch(torch.zeros_like(batch.images), batch.labels)
    objective.inner.delta = torch.full_like(black.images, -0.01)
    torch.autograd.backward(objective(black, draws).loss)
    assert objective.inner.leaf.grad is not None
    assert not objective.inner.leaf.grad.any()  # pixels outside [0, 1] get no gradient
    objective.inner.after_step()
    assert (objective.inner.delta == -0.01).all()


def test_a_radius_grows_where_the_network_withstands_and_stays_zero_where_it_errs() -> None:
    model, batch = Brightness(), grey(0.9, 0.55, 0.2, labels=(1, 1, 1))
    batch.share = 0.5
    inner = InstanceAdaptive(steps=3, gamma=0.02, beta=0.5)
    for _ in range(30):
        inner(model, SPACE, batch, seeded())
    radii = inner.memory.radii[5:].tolist()
    assert radii[0] == pytest.approx(0.3)  # 30 times half of 0.02, far from its margin of 0.4
    assert 0.03 - 1e-6 <= radii[1] <= 0.05  # its margin, less at most gamma
    assert radii[2] == 0
    again = InstanceAdaptive()
    again.load_state_dict(inner.state_dict())
    assert torch.equal(again.memory.radii, inner.memory.radii)
    batch.share = 0.0
    inner(model, SPACE, batch, seeded())
    assert inner.memory.radii[5:].tolist() == pytest.approx([0.05, 0.05, 0])  # the warm-up


def test_bisection_finds_the_boundary_of_a_linear_model() -> None:
    model, batch = Brightness(), grey(0.6, 0.53, 0.9, 0.3, labels=(1, 1, 1, 1))
    direction = torch.full_like(batch.images, -1.0)
    inner = MarginSearch(bisections=12)
    margins = inner.boundary(model, batch, direction, 0.2).flatten().tolist()
    assert margins[:3] == pytest.approx([0.1, 0.03, 0.2], abs=1e-3)
    moved = inner(model, Pixel(eps=0.2), batch, seeded())
    assert batch.views["counted"].tolist() == [1, 1, 0, 1]
    assert moved[0].mean().item() == pytest.approx(0.5, abs=0.02)
    assert torch.equal(moved[3], batch.images[3])
    batch.views["counted"] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    passed = Passed(model, batch, SPACE, seeded(), torch.zeros(4, 2), torch.zeros(4, 2))
    assert Margin(clean=0.25)(passed).item() == pytest.approx(0.6931 * (0.25 + 0.75 / 4), abs=1e-4)


def test_the_soft_margin_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0]])
    assert soft_logit_margin(logits, torch.tensor([0])).item() == pytest.approx(0.6931 - 2, abs=1e-4)


def test_a_linear_model_is_aligned_and_a_bent_one_is_not(fresh: Fresh, pictures: Any, draws: torch.Generator) -> None:
    batch = grey(0.6, 0.7, labels=(0, 0))
    straight = Align(weight=1.0)(Passed(Brightness(), batch, SPACE, draws))
    assert straight.item() == pytest.approx(0, abs=1e-5)
    model = fresh().train()
    bent = Align(weight=1.0)(Passed(model, pictures.batch(), SPACE, draws))
    assert bent.item() > 0.01
    gradients = torch.autograd.grad(bent, list(model.parameters()), allow_unused=True)
    assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize("name", ["free", "iaat", "mma"])
def test_other_spaces_are_refused(name: str, fresh: Fresh, pictures: Any, draws: torch.Generator) -> None:
    objective = build_objective(fresh(), read_recipe(name).changed(["space=pixel:norm=l2,eps=0.5"]))
    with pytest.raises(InputError, match=r"pixel:norm=linf, not in Pixel\(norm='l2'"):
        objective(pictures.batch(), draws)


@pytest.mark.parametrize(
    ("setting", "message"),
    [("inner.tau=a", "tau is a list of whole numbers"), ("inner.tau=0+1", "one share of the training less")],
)
def test_wrong_patience_is_refused(setting: str, message: str, fresh: Fresh) -> None:
    with pytest.raises(InputError, match=message):
        build_objective(fresh(), read_recipe("fat").changed([setting]))
