"""Images that are broken leave the batch, in every restart, target and step, and nothing else changes."""

import pytest
import torch
from torch import Tensor, nn

from stormbench.defenses import defend
from stormbench.defenses.attacks import ATTACKS, Ball, make_attack, run_attack
from stormbench.defenses.attacks.expectation import repeats
from stormbench.defenses.attacks.parts.active import Best, Candidate, staying

SPECS = {
    "pgd": "pgd:steps=20,restarts=3",
    "apgd": "apgd:steps=20,restarts=2",
    "fab": "fab:steps=10,restarts=2",
    "square": "square:queries=60",
    "noise": "noise:tries=20",
}


class Counting(nn.Module):
    """Counts the images that the model inside is shown."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.shown: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.shown.append(len(images))
        logits: Tensor = self.model(images)
        return logits


def case(linear: nn.Module) -> tuple[Tensor, Tensor]:
    images = torch.rand(24, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return images, linear(images).argmax(1)


def wrong(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    with torch.no_grad():
        return model(images).argmax(1) != labels


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", SPECS)
def test_broken_images_leave_and_as_many_are_broken(name: str, norm: str, linear: nn.Module) -> None:
    images, labels = case(linear)
    ball = Ball(norm, 0.1 if norm == "linf" else 0.7)  # type: ignore[arg-type]
    broken, shown = {}, {}
    for stop in ("true", "false"):
        model = Counting(linear)
        spec = SPECS[name] if name == "noise" else f"{SPECS[name]},stop={stop}"
        moved = run_attack(make_attack(spec), model, images, labels, ball)
        assert ball.distance(moved, images).max() < ball.eps + 1e-5
        broken[stop] = wrong(linear, moved, labels)
        shown[stop] = sum(model.shown)
    assert broken["true"].any() or name == "noise"
    if name in ("pgd", "apgd", "fab"):
        assert torch.equal(broken["true"], broken["false"])  # on a linear model they break all that can be broken
        assert shown["true"] < shown["false"] / 2
    assert (
        ball.distance(run_attack(make_attack(SPECS[name]), linear, images, labels, ball), images).max()
        < ball.eps + 1e-5
    )


@pytest.mark.parametrize("name", [*SPECS, "deepfool"])
def test_images_that_are_wrong_already_are_not_attacked(name: str, linear: nn.Module) -> None:
    images, labels = case(linear)
    model = Counting(linear)
    run_attack(make_attack(SPECS.get(name, name)), model, images, (labels + 1) % 3, Ball("linf", 1e-4))
    assert sum(model.shown) <= 2 * len(images) + 4  # two looks at all, and what is asked of one image


def test_every_attack_that_tries_again_is_held_to_it() -> None:
    assert set(ATTACKS) - set(SPECS) == {"fgsm", "deepfool", "cw"}  # one run each; C&W wants the smallest change


@pytest.mark.parametrize("name", ["pgd", "apgd", "square"])
def test_nothing_leaves_a_random_model(name: str, linear: nn.Module) -> None:
    """A mistake of one draw may be luck."""
    inside = Counting(linear)
    model = defend(inside, "rain:shift=0")
    images, labels = case(linear)
    attack = make_attack(SPECS[name])
    run_attack(attack, model, images, labels, Ball("linf", 0.5))
    assert {size for size in inside.shown if size > 1} == {len(images)}
    assert not repeats(model, images)
    with model.fixed_draw():
        assert repeats(model, images)


def test_the_best_point_of_each_image_is_kept() -> None:
    best = Best.of(torch.zeros(3, 1, 1, 1), torch.tensor([-1.0, 2.0, -3.0]))
    best.update(torch.tensor([2, 0]), Candidate(torch.ones(2, 1, 1, 1), torch.tensor([-4.0, 0.5])))
    assert best.margin.tolist() == [0.5, 2, -3]
    assert best.images.flatten().tolist() == [1, 0, 0]
    assert best.unbroken().tolist() == [2]


def test_images_leave_once_one_in_eight_is_broken() -> None:
    margin = torch.full((16,), -1.0)
    assert staying(margin) is None
    margin[3] = 1
    assert staying(margin) is None
    margin[5] = 1
    found = staying(margin)
    assert found is not None
    assert found.tolist() == [i for i in range(16) if i not in (3, 5)]
