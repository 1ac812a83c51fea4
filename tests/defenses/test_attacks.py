"""Attacks stay in their ball, leave the model alone, repeat under a seed, and find what is there to be found."""

import sys

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses import defend
from stormbench.defenses.attacks import ATTACKS, Ball, make_attack, run_attack
from stormbench.defenses.attacks.apgd import checkpoints
from stormbench.defenses.attacks.art import ToolboxAttack
from stormbench.defenses.attacks.base import Attack
from stormbench.defenses.attacks.bpda import BPDA, substituted
from stormbench.defenses.attacks.expectation import expected_gradient
from stormbench.defenses.attacks.losses import LOSSES
from stormbench.defenses.base import RandomDefense, random_parts
from stormbench.errors import InputError, MissingDependencyError, ModelError, UnknownNameError

CHEAP = {
    "fgsm": "fgsm:draws=2",
    "pgd": "pgd:steps=3,momentum=0.5,restarts=2,step=1",
    "apgd": "apgd:steps=5,loss=dlr,draws=2",
    "fab": "fab:steps=3,targets=2,restarts=2",
    "deepfool": "deepfool:steps=3,candidates=2",
    "cw": "cw:steps=4,searches=2,rate=0.2",
    "square": "square:queries=6",
    "noise": "noise:tries=2",
}


def batch(n: int = 4, height: int = 8, width: int = 8, classes: int = 3) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(n + height)
    return torch.rand(n, 3, height, width, generator=draw), torch.arange(n) % classes


def test_every_attack_is_tested() -> None:
    assert CHEAP.keys() == set(ATTACKS)
    assert all(isinstance(make_attack(name), Attack) for name in ATTACKS)


@pytest.mark.parametrize("name", CHEAP)
def test_the_list_names_every_setting_and_its_default(name: str) -> None:
    entry = ATTACKS[name]
    attack = make_attack(f"{name}:{entry.settings}")
    assert attack == make_attack(name)
    assert [pair.partition("=")[0] for pair in entry.settings.split(",")] == list(vars(attack))
    factors = {key: value for key, value in vars(attack).items() if isinstance(value, int)}
    cost = entry.cost.replace("(targets, or 9)", str(factors.get("targets") or 9)).replace(" x ", " * ")
    assert eval(cost, {}, factors | {"targets": factors.get("targets") or 1}) == attack.gradients


@pytest.mark.parametrize("name", CHEAP)
@given(
    n=st.integers(1, 3),
    height=st.integers(5, 12),
    width=st.integers(5, 12),
    norm=st.sampled_from(["linf", "l2"]),
    share=st.floats(0.001, 1),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stays_in_the_ball_and_leaves_the_model_alone(
    name: str, n: int, height: int, width: int, norm: str, share: float, seed: int, model: nn.Module
) -> None:
    defended = defend(model.train(), "rain")
    images, labels = batch(n, height, width)
    weights = {key: value.clone() for key, value in defended.state_dict().items()}
    (generator,) = (part.randomness.generator for part in random_parts(defended))
    states = torch.get_rng_state(), generator.get_state()
    ball = Ball(norm, share)  # type: ignore[arg-type]
    moved = run_attack(make_attack(CHEAP[name]), defended, images, labels, ball, seed=seed)
    assert moved.shape == images.shape
    assert ball.distance(moved, images).max() <= share * (1 + 1e-5) + 1e-6
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert defended.training
    assert all(module.training for module in defended.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in defended.parameters())
    assert all(torch.equal(value, weights[key]) for key, value in defended.state_dict().items())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert torch.equal(generator.get_state(), states[1])


@pytest.mark.parametrize("name", CHEAP)
def test_repeats_under_a_seed_and_only_then(name: str, model: nn.Module) -> None:
    defended = defend(model, "rain")
    images, labels = batch(3, 32, 32)
    attack = make_attack(CHEAP[name])
    first, again, other = (run_attack(attack, defended, images, labels, Ball("linf", 0.1), seed=s) for s in (1, 1, 2))
    assert torch.equal(first, again)
    if name not in ("fgsm",):  # two draws may well agree on every sign
        assert not torch.equal(first, other)


def test_a_given_gradient_survives(model: nn.Module) -> None:
    images, labels = batch(2, 32, 32)
    model(images).sum().backward()
    before = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    run_attack(make_attack("pgd:steps=2"), model, images, labels, Ball("linf", 0.1))
    after = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


@pytest.mark.parametrize("spec", ["fgsm:loss=linear", "pgd:steps=30,loss=linear", "apgd:steps=30,loss=linear"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_finds_the_maximum_of_a_linear_function(spec: str, norm: str, linear: nn.Module) -> None:
    images = torch.full((3, 3, 8, 8), 0.5)
    labels = torch.arange(3)
    ball = Ball(norm, 0.05)  # type: ignore[arg-type]
    whole = spec if spec.startswith("fgsm") else f"{spec},stop=false"  # at the first mistake it would be over
    moved = run_attack(make_attack(whole), linear, images, labels, ball)
    weight = next(linear.parameters()).detach()
    best = (weight.abs().sum(1) if norm == "linf" else weight.norm(dim=1)) * 0.05
    torch.testing.assert_close(-linear(moved).diagonal().detach(), best, rtol=1e-2, atol=0)


def test_deepfool_goes_just_over_the_nearest_boundary_of_a_linear_model(linear: nn.Module) -> None:
    images, _ = batch(20)
    images = 0.25 + images / 2
    with torch.no_grad():
        logits = linear(images)
    labels = logits.argmax(1)
    weight = next(linear.parameters()).detach()
    moved = run_attack(make_attack("deepfool"), linear, images, labels, Ball("l2", 10))
    for image, start, label, z in zip(moved, images, labels, logits, strict=True):
        others = [k for k in range(3) if k != label]
        nearest = min((z[label] - z[k]) / (weight[label] - weight[k]).norm() for k in others)
        assert (image - start).norm() == pytest.approx(float(nearest) * 1.02, rel=1e-3)
    assert (linear(moved).argmax(1) != labels).all()


def test_carlini_wagner_comes_near_the_smallest_change(linear: nn.Module) -> None:
    images, _ = batch(10)
    images = 0.25 + images / 2
    labels = linear(images).argmax(1)
    ball = Ball("l2", 10)
    shortest = ball.distance(run_attack(make_attack("deepfool:overshoot=0.001"), linear, images, labels, ball), images)
    moved = run_attack(make_attack("cw:steps=200,searches=6,first_c=0.1"), linear, images, labels, ball)
    assert (linear(moved).argmax(1) != labels).all()
    assert (ball.distance(moved, images) <= 1.1 * shortest + 1e-3).all()


def test_square_needs_no_gradient() -> None:
    class Hard(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            bright = (images.mean(dim=(1, 2, 3)) * 25500).round()  # no gradient anywhere
            return torch.stack([bright, 13000 - bright], dim=1).detach() + 0 * images.sum()

    images = torch.full((4, 3, 16, 16), 0.27)  # 6885 against 6115
    labels = torch.zeros(4, dtype=torch.long)
    moved = run_attack(make_attack("square:queries=300"), Hard(), images, labels, Ball("linf", 0.1))
    assert (Hard()(moved).argmax(1) == 1).all()
    blind = run_attack(make_attack("apgd:steps=10,loss=ce"), Hard(), images, labels, Ball("linf", 0.01))
    assert (Hard()(blind).argmax(1) == 0).all()


def test_square_averages_over_the_draws_of_a_random_model() -> None:
    class Loud(RandomDefense):
        def transform(self, images: Tensor) -> Tensor:
            return images + 0.02 * self.randomness.normal(images, 1, 1, 1)  # as much as a square changes

    class Bright(nn.Module):
        passes = 0

        def forward(self, images: Tensor) -> Tensor:
            self.passes += 1
            mean = images.mean(dim=(1, 2, 3))
            return torch.stack([-mean, mean], dim=1)

    images = torch.full((16, 3, 12, 12), 0.5)
    labels = torch.zeros(16, dtype=torch.long)
    gained, passes = [], []
    for draws in (1, 64):
        bright = Bright()
        attack = make_attack(f"square:queries=40,draws={draws}")
        moved = run_attack(attack, Loud(bright), images, labels, Ball("linf", 0.1), seed=3)
        gained.append((moved - images).mean().item())
        passes.append(bright.passes - 1)  # one looks at the classes
        assert passes[-1] == attack.gradients
    assert gained[1] > 3 * max(gained[0], 0.001)


def test_a_model_that_fails_on_the_way_is_left_as_it_was(model: nn.Module) -> None:
    class Tiring(nn.Module):
        left = 4

        def forward(self, images: Tensor) -> Tensor:
            self.left -= 1
            logits: Tensor = model(images)
            return logits if self.left else logits * float("nan")

    defended = defend(Tiring().train(), "rain")
    assert isinstance(defended, RandomDefense)
    states = torch.get_rng_state(), defended.randomness.generator.get_state()
    with pytest.raises(ModelError, match="NaN or infinity"):
        run_attack(make_attack("pgd:backward=identity"), defended, *batch(2, 32, 32), Ball("linf", 0.1))
    assert defended.training
    assert "transform" not in vars(defended)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert torch.equal(defended.randomness.generator.get_state(), states[1])


def test_targeted_pgd_reaches_its_target(linear: nn.Module) -> None:
    images = torch.full((3, 3, 8, 8), 0.5)
    labels = torch.arange(3)
    loss = LOSSES["margin"]
    found = run_attack(make_attack("pgd:steps=20,targets=2,loss=margin"), linear, images, labels, Ball("linf", 0.1))
    assert (loss(linear(found), labels, None) > 0).all()
    with pytest.raises(InputError, match="there are 2 wrong classes to aim at, not 3"):
        run_attack(make_attack("pgd:targets=3"), linear, images, labels, Ball("linf", 0.1))


def test_the_expected_gradient_is_the_mean_over_draws(model: nn.Module) -> None:
    images, labels = batch(2, 32, 32)
    defended = defend(model, "rain:seed=4")
    found = expected_gradient(defended, images, labels, LOSSES["ce"], draws=3)
    defended.reseed(4)
    single = [expected_gradient(defended, images, labels, LOSSES["ce"], draws=1) for _ in range(3)]
    torch.testing.assert_close(found.gradient, torch.stack([each.gradient for each in single]).mean(0))
    torch.testing.assert_close(found.loss, torch.stack([each.loss for each in single]).mean(0))


def test_bpda_gives_a_gradient_to_what_has_none(model: nn.Module) -> None:
    images, labels = batch(4, 32, 32, 4)

    def rounded(x: Tensor) -> Tensor:
        return (x.detach() * 7).round() / 7

    wrapped = BPDA(rounded, model)
    torch.testing.assert_close(wrapped(images), model(rounded(images)))
    found = expected_gradient(wrapped, images, labels, LOSSES["ce"], draws=1)
    there = expected_gradient(model, rounded(images), labels, LOSSES["ce"], draws=1)
    torch.testing.assert_close(found.gradient, there.gradient)


def test_bpda_follows_the_pair_it_is_given(model: nn.Module) -> None:
    images, labels = batch(4, 32, 32, 4)

    def halved(x: Tensor) -> Tensor:
        return (x[:, :, ::2, ::2] * 7).round() / 7

    paired = BPDA(halved, model, lambda x: functional.avg_pool2d(x, 2))
    torch.testing.assert_close(paired(images), model(halved(images)))
    found = expected_gradient(paired, images, labels, LOSSES["ce"], draws=1).gradient
    there = expected_gradient(model, halved(images), labels, LOSSES["ce"], draws=1).gradient
    torch.testing.assert_close(found, functional.interpolate(there, scale_factor=2) / 4)  # of the mean of four


@pytest.mark.parametrize("spec", ["rain", "resize-pad"])
def test_a_defense_can_be_passed_by_backwards_and_is_left_as_it_was(spec: str, model: nn.Module) -> None:
    images, labels = batch(2, 32, 32)
    defended = defend(defend(model, spec), spec)
    own = run_attack(make_attack("pgd:steps=2"), defended, images, labels, Ball("linf", 0.1), seed=1)
    passed = run_attack(
        make_attack("pgd:steps=2,backward=identity"), defended, images, labels, Ball("linf", 0.1), seed=1
    )
    assert not torch.equal(own, passed)
    assert torch.equal(run_attack(make_attack("pgd:steps=2"), defended, images, labels, Ball("linf", 0.1), seed=1), own)
    assert "transform" not in vars(defended)
    defended.reseed(3)
    value = defended(images)
    defended.reseed(3)
    with substituted(defended):
        torch.testing.assert_close(defended(images), value)


def test_losses_by_hand() -> None:
    logits, labels, targets = torch.tensor([[1.0, 4.0, 2.0, 0.0]]), torch.tensor([1]), torch.tensor([2])
    assert LOSSES["margin"](logits, labels, None).item() == 2 - 4
    assert LOSSES["margin"](logits, labels, targets).item() == 2 - 4
    assert LOSSES["linear"](logits, labels, None).item() == -4
    assert LOSSES["dlr"](logits, labels, None).item() == pytest.approx(-(4 - 2) / (4 - 1))
    assert LOSSES["dlr"](logits, labels, targets).item() == pytest.approx(-(4 - 2) / (4 - 0.5))
    assert LOSSES["ce"](logits, labels, None).item() == pytest.approx(-logits.log_softmax(1)[0, 1].item())
    torch.testing.assert_close(LOSSES["dlr"](3 * logits, labels, None), LOSSES["dlr"](logits, labels, None))


def test_dlr_needs_three_classes() -> None:
    with pytest.raises(InputError, match="DLR loss needs 3 classes"):
        LOSSES["dlr"](torch.zeros(1, 2), torch.tensor([0]), None)


def test_checkpoints_of_the_paper() -> None:
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(1) == [0, 0, 0, 0, 0, 0, 0, 0]  # none falls on a step: the length stays


def test_apgd_beats_fgsm(model: nn.Module) -> None:
    images, labels = batch(16, 32, 32, 4)
    ball = Ball("linf", 0.05)

    def reached(spec: str) -> float:
        moved = run_attack(make_attack(spec), model, images, labels, ball)
        return LOSSES["ce"](model(moved), labels, None).mean().item()

    apgd, pgd = (reached(f"{name}:steps=20,stop=false") for name in ("apgd", "pgd"))
    assert apgd >= pgd * 0.98 > reached("fgsm") * 0.98
    assert reached("fgsm") > reached("noise")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pgd:steps=0", "at least 1"),
        ("pgd:step=-1", "step is positive"),
        ("pgd:momentum=2", "momentum in 0..1"),
        ("pgd:loss=hinge", "loss is one of ce, margin, linear, dlr"),
        ("pgd:stpes=4", "no setting 'stpes'; there are: steps"),
        ("apgd:restarts=0", "at least 1"),
        ("deepfool:candidates=0", "at least 1"),
        ("cw:rate=0", "rate and first_c positive"),
        ("square:share=2", "at most 1"),
        ("fab:restarts=0", "at least 1"),
        ("fab:targets=-1", "targets at least 0"),
        ("noise:tries=0", "at least 1"),
    ],
)
def test_bad_attack_settings(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_attack(spec)


def test_unknown_attack() -> None:
    with pytest.raises(UnknownNameError, match="did you mean pgd"):
        make_attack("pdg")


@pytest.mark.parametrize(
    ("norm", "eps"), [("linf", 300), ("linf", 8), ("linf", 0), ("linf", -1), ("linf", float("nan")), ("l3", 1)]
)
def test_an_impossible_ball(norm: str, eps: float) -> None:
    with pytest.raises(InputError, match=r"eps is a distance between pixels|norm is linf or l2"):
        Ball(norm, eps)  # type: ignore[arg-type]


def test_wrong_input_is_refused(model: nn.Module) -> None:
    images, labels = batch()
    attack, ball = make_attack("fgsm"), Ball("linf", 0.1)
    with pytest.raises(InputError, match=r"pixels are in \[0, 1\], not 0.* to 25"):
        run_attack(attack, model, images * 255, labels, ball)
    with pytest.raises(InputError, match="need as many class numbers"):
        run_attack(attack, model, images, labels[:2], ball)
    with pytest.raises(InputError, match="eps is at most"):
        run_attack(attack, model, images, labels, Ball("l2", 300))
    with pytest.raises(ModelError, match="labels go from 0 to 7, but the model has 4 classes"):
        run_attack(attack, model, images, labels.clamp_min(7) * (labels > 0), ball)


def test_a_model_without_numbers_is_refused() -> None:
    class Broken(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.mean(dim=(2, 3)) * float("nan")

    with pytest.raises(ModelError, match="NaN or infinity"):
        run_attack(make_attack("pgd"), Broken(), *batch(), Ball("linf", 0.1))


def test_a_missing_toolbox_is_named(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "art.attacks.evasion", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'stormbench\[art\]'"):
        run_attack(ToolboxAttack(name="SquareAttack"), model, *batch(), Ball("linf", 0.1))


def test_no_images_are_no_error(model: nn.Module) -> None:
    images, labels = batch()
    assert run_attack(make_attack("pgd"), model, images[:0], labels[:0], Ball("linf", 0.1)).shape == (0, 3, 8, 8)
