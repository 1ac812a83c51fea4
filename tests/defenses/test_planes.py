"""The way to a plane inside the pixels is the shortest there is, and FAB walks it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize
from torch import Tensor, nn

from stormbench.defenses.attacks import Ball, make_attack, run_attack
from stormbench.defenses.attacks.ball import NormName, magnitude
from stormbench.defenses.attacks.parts.planes import to_plane


def shortest(point: np.ndarray, normal: np.ndarray, value: float, norm: NormName) -> float:
    """By scipy: the length of the shortest change to the plane inside [0, 1]."""
    size = len(point)
    if norm == "l2":
        plane = {"type": "eq", "fun": lambda d: normal @ d + value, "jac": lambda _: normal}
        bounds = list(zip(-point, 1 - point, strict=True))
        start = np.clip(-value * normal / (normal @ normal), -point, 1 - point)
        found = minimize(lambda d: d @ d, start, jac=lambda d: 2 * d, bounds=bounds, constraints=plane, method="SLSQP")
        return float(found.fun**0.5)
    both = np.vstack([np.hstack([sign * np.eye(size), -np.ones((size, 1))]) for sign in (1, -1)])
    found = linprog(
        np.r_[np.zeros(size), 1],
        A_ub=both,
        b_ub=np.zeros(2 * size),
        A_eq=np.r_[normal, 0][None],
        b_eq=[-value],
        bounds=[*zip(-point, 1 - point, strict=True), (0, None)],
    )
    return float(found.fun)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@given(seed=st.integers(0, 2**31), share=st.floats(0.01, 0.95), sign=st.sampled_from([-1, 1]), size=st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_no_change_to_the_plane_is_shorter(norm: NormName, seed: int, share: float, sign: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    point, normal = rng.uniform(size=size), rng.normal(size=size) * 10.0 ** rng.integers(-6, 4)
    gain = np.where(normal * -sign > 0, (1 - point), point) * np.abs(normal)
    value = sign * share * float(gain.sum())  # the plane meets the box
    tensors = (torch.from_numpy(each)[None].double() for each in (point, normal))
    change = to_plane(*tensors, torch.tensor([value]).double(), norm)[0].numpy()
    assert normal @ change + value == pytest.approx(0, abs=1e-6 * abs(value))
    assert (point + change >= -1e-9).all()
    assert (point + change <= 1 + 1e-9).all()
    length = np.abs(change).max() if norm == "linf" else np.linalg.norm(change)
    assert length == pytest.approx(shortest(point, normal, value, norm), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_plane_outside_the_pixels_is_approached_as_far_as_they_go(norm: NormName) -> None:
    points, normal = torch.tensor([[0.25, 0.5, 0.75]]), torch.tensor([[1.0, 0.0, -2.0]])
    change = to_plane(points, normal, torch.tensor([-100.0]), norm)
    torch.testing.assert_close(points + change, torch.tensor([[1.0, 0.5, 0.0]]))
    nowhere = to_plane(points, torch.zeros_like(normal), torch.tensor([-1.0]), norm)
    assert not nowhere.any()


def test_magnitudes_are_powers_of_two_just_above() -> None:
    rows = torch.tensor([[0.0, 0.0], [0.3, -0.6], [1e-30, 0.0], [-5.0, 1.0]])
    found = magnitude(rows).squeeze(1)
    assert found[[0, 1, 3]].tolist() == [1, 1, 8]
    assert 1 < float(found[2]) / 1e-30 <= 2


def start_of(linear: nn.Module) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    images = 0.3 + 0.4 * torch.rand(12, 3, 8, 8, generator=draw)
    with torch.no_grad():
        return images, linear(images).argmax(1)


def distances(linear: nn.Module, images: Tensor, labels: Tensor, norm: NormName) -> Tensor:
    """Of each image to the nearest boundary of a linear model, all pixels being far from 0 and 1."""
    weight = next(linear.parameters()).detach()
    with torch.no_grad():
        logits = linear(images)
    dual = 1 if norm == "linf" else 2
    found = []
    for z, label in zip(logits, labels, strict=True):
        others = [k for k in range(len(z)) if k != label]
        found.append(min((z[label] - z[k]) / (weight[label] - weight[k]).norm(p=dual) for k in others))
    return torch.stack(found)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_fab_finds_the_nearest_mistake_of_a_linear_model(norm: NormName, linear: nn.Module) -> None:
    images, labels = start_of(linear)
    nearest = distances(linear, images, labels, norm)
    ball = Ball(norm, 0.3 if norm == "linf" else 10)
    moved = run_attack(make_attack("fab:steps=20,stop=false"), linear, images, labels, ball)
    with torch.no_grad():
        assert (linear(moved).argmax(1) != labels).all()
    torch.testing.assert_close(ball.distance(moved, images), nearest, rtol=1e-2, atol=0)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("spec", ["fab:steps=15", "fab:steps=15,targets=2", "fab:steps=15,restarts=2"])
def test_fab_breaks_what_the_ball_reaches_and_nothing_else(spec: str, norm: NormName, linear: nn.Module) -> None:
    images, labels = start_of(linear)
    nearest = distances(linear, images, labels, norm)
    eps = float(nearest.median()) * 1.02
    moved = run_attack(make_attack(spec), linear, images, labels, Ball(norm, eps))
    with torch.no_grad():
        broken = linear(moved).argmax(1) != labels
    assert torch.equal(broken, nearest < eps)
