"""Dual batch norm, FiLM and slimmable layers against what a hand, or torch's own layers, compute."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from stormbench.defenses.oat import DualBatchNorm2d, FiLM, SlimmableConv2d, SlimmableLinear
from stormbench.defenses.oat.condition import Condition
from stormbench.defenses.oat.layers import ConditionalNorm, SlicedBatchNorm2d


def condition(count: int, width: float = 1.0, zeros: int = 0, codes: torch.Tensor | None = None) -> Condition:
    return Condition(codes, torch.zeros(count, dtype=torch.long), zeros, width)


def test_dual_batch_norm_keeps_two_statistics_and_routes_by_position() -> None:
    norm = DualBatchNorm2d(1).train()
    images = torch.tensor([0.0, 2.0, 10.0, 14.0]).view(4, 1, 1, 1)
    out = norm(images, 2).flatten()
    # Mean 1 and deviation 1; mean 12 and deviation 2.
    assert torch.allclose(out, torch.tensor([-1.0, 1.0, -1.0, 1.0]), atol=1e-4)
    assert norm.clean.running_mean is not None
    assert norm.adversarial.running_mean is not None
    assert norm.clean.running_mean.item() == pytest.approx(0.1)
    assert norm.adversarial.running_mean.item() == pytest.approx(1.2)


@pytest.mark.parametrize(("zeros", "moved", "still"), [(4, "clean", "adversarial"), (0, "adversarial", "clean")])
def test_an_empty_part_moves_no_statistics(zeros: int, moved: str, still: str) -> None:
    norm = DualBatchNorm2d(2).train()
    norm(torch.rand(4, 2, 3, 3) + 5, zeros)
    assert norm.get_buffer(f"{moved}.running_mean").abs().min() > 0.4
    assert norm.get_buffer(f"{still}.running_mean").abs().max() == 0


def test_film_is_the_published_arrangement() -> None:
    torch.manual_seed(0)
    film, features, codes = FiLM(4, 3), torch.rand(2, 3, 5, 5), torch.randn(2, 4)
    out = film(features, Condition(codes, torch.tensor([1, 0]), 0))
    mlp = nn.Sequential(film.hidden, nn.LeakyReLU(), film.heads)
    gamma, beta = (functional.leaky_relu(part) for part in mlp(codes[[1, 0]]).chunk(2, dim=1))
    assert torch.allclose(out, gamma[:, :, None, None] * features + beta[:, :, None, None])


def test_residual_film_adds_the_features_themselves() -> None:
    torch.manual_seed(0)
    film, features, codes = FiLM(4, 3), torch.rand(2, 3, 5, 5), torch.randn(1, 4)
    plain = film(features, condition(2, codes=codes))
    film.residual = True
    assert torch.allclose(film(features, condition(2, codes=codes)), plain + features)


def test_film_with_fewer_channels_uses_the_first_of_each_half() -> None:
    torch.manual_seed(0)
    film, codes = FiLM(4, 6), torch.randn(3, 4)
    sliced = FiLM(4, 2)
    with torch.no_grad():
        sliced.hidden.weight.copy_(film.hidden.weight[:4])
        sliced.hidden.bias.copy_(film.hidden.bias[:4])
        sliced.heads.weight.copy_(film.heads.weight[[0, 1, 6, 7], :4])
        sliced.heads.bias.copy_(film.heads.bias[[0, 1, 6, 7]])
    for ours, theirs in zip(film.scale_and_shift(codes, 2), sliced.scale_and_shift(codes, 2), strict=True):
        assert torch.allclose(ours, theirs)


def test_a_slimmed_convolution_is_the_first_filters_on_the_first_channels() -> None:
    conv, images = SlimmableConv2d(8, 12, 3, 2, 1, bias=False), torch.rand(2, 4, 9, 9)
    expected = functional.conv2d(images, conv.weight[:6, :4], stride=2, padding=1)
    assert torch.equal(conv(images, 0.5), expected)
    full = torch.rand(2, 8, 9, 9)
    assert torch.equal(conv(full), nn.Conv2d.forward(conv, full))


def test_a_slimmed_linear_layer_shares_outputs_and_bias() -> None:
    linear, features = SlimmableLinear(8, 5), torch.rand(2, 4)
    assert torch.allclose(linear(features), features @ linear.weight[:, :4].T + linear.bias)


def test_sliced_batch_norm_is_batch_norm_on_its_channels() -> None:
    sliced, images = SlicedBatchNorm2d(6).train(), torch.rand(4, 6, 3, 3)
    plain = nn.BatchNorm2d(6).train()
    assert torch.equal(sliced(images), plain(images))
    assert torch.equal(sliced.get_buffer("running_var"), plain.get_buffer("running_var"))
    before = sliced.get_buffer("running_mean").clone()
    sliced(images[:, :2] + 1)
    changed = sliced.get_buffer("running_mean") != before
    assert changed.tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize("switchable", [True, False])
def test_widths_have_statistics_of_their_own_unless_they_share_them(switchable: bool) -> None:
    norm = ConditionalNorm(4, (0.5, 1.0), dual=True, switchable=switchable, film=None).train()
    wide, narrow = torch.rand(4, 4, 3, 3), torch.rand(4, 2, 3, 3) + 3
    norm(narrow, condition(4, width=0.5))
    before = norm.norms["1"].get_buffer("adversarial.running_mean").abs().max().item()
    norm(wide, condition(4, width=1.0))
    assert (before == 0) is switchable
    assert len(norm.norms) == (2 if switchable else 1)
