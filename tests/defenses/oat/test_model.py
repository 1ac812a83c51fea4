"""One model under every lambda and width: order, equality with its slices, cost, and what it refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.fft import dct
from torch import Tensor, nn

from stormbench.defenses.attacks import Ball, make_attack, run_attack
from stormbench.defenses.oat import ARCHITECTURES, ConditionalModel, LambdaEncoding, NetworkSpec
from stormbench.defenses.oat.encodings import ENCODINGS
from stormbench.errors import InputError, ModelError

Build = Callable[..., ConditionalModel]
WIDTHS = (0.5, 0.75, 1.0)


@torch.no_grad()
def test_lambdas_come_in_any_order_and_answers_in_the_same(build: Build, images: Tensor) -> None:
    model = build()
    lambdas = torch.tensor([0.4, 0.0, 1.0, 0.0, 0.1, 0.4])
    together = model(images, lambdas)
    for index, lam in enumerate(lambdas.tolist()):
        alone = model(images[index : index + 1], lam)[0]
        assert torch.allclose(together[index], alone, atol=1e-5)
    assert not torch.allclose(model(images, 0.0), model(images, 1.0))


@torch.no_grad()
def test_lambda_zero_alone_meets_the_clean_batch_norm(build: Build, images: Tensor) -> None:
    model = build()
    before = model(images, 0.0), model(images, 0.1)
    for name, buffer in model.named_buffers():
        if ".clean.running_mean" in name:
            buffer.add_(1)
    assert not torch.allclose(model(images, 0.0), before[0])
    assert torch.equal(model(images, 0.1), before[1])


def test_gradients_belong_to_the_image_that_they_came_from(build: Build, images: Tensor) -> None:
    model, lambdas = build(), torch.tensor([1.0, 0.0, 0.2, 0.0, 1.0, 0.3])
    images.requires_grad_()
    (gradient,) = torch.autograd.grad(model(images, lambdas)[2].sum(), images)
    assert [index for index in range(6) if gradient[index].abs().max() > 0] == [2]


@torch.no_grad()
def test_at_gives_a_plain_model_that_attacks_understand(build: Build, images: Tensor) -> None:
    model = build(widths=WIDTHS)
    plain = model.at(0.2, width=0.5)
    assert isinstance(plain, nn.Module)
    assert torch.equal(plain(images), model(images, 0.2, 0.5))
    right = plain(images).argmax(dim=1).detach()  # images that are wrong already are left as they are
    moved = run_attack(make_attack("pgd:steps=2"), plain, images, right, Ball("linf", 0.1))
    assert 0 < (moved - images).abs().max() <= 0.1 + 1e-6


@pytest.mark.parametrize("arch", list(ARCHITECTURES))
@pytest.mark.parametrize("encoding", ENCODINGS)
@torch.no_grad()
def test_every_architecture_takes_every_encoding_and_width(arch: str, encoding: str, images: Tensor) -> None:
    spec: dict[str, Any] = {"arch": arch, "encoding": encoding, "channels": 4, "code_length": 8, "widths": WIDTHS}
    model = ConditionalModel(NetworkSpec(**spec)).eval()
    for width in WIDTHS:
        logits = model(images[:2], torch.tensor([1.0, 0.0]), width)
        assert logits.shape == (2, 10)
        assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("arch", "mega", "gigaflops"),
    # The published code says 31.4 M parameters and 1.18 GFLOPs (of multiplications) for a scalar code.
    [("resnet34", 31.4, 2 * 1.18)],
)
def test_the_published_size(arch: str, mega: float, gigaflops: float) -> None:
    model = ConditionalModel(NetworkSpec(arch=arch, encoding="scalar", dual=False))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(mega, abs=0.05)
    assert model.at(0.5).cost()[0] / 1e9 == pytest.approx(gigaflops, rel=0.02)


@pytest.mark.parametrize("arch", list(ARCHITECTURES))
def test_a_slice_costs_what_a_network_of_its_width_costs(arch: str) -> None:
    settings: dict[str, Any] = {"arch": arch, "channels": 8, "code_length": 8}
    wide = ConditionalModel(NetworkSpec(**settings, widths=WIDTHS))
    for width in WIDTHS:
        own = NetworkSpec(**settings | {"channels": int(8 * width)}, dual=False)
        narrow = ConditionalModel(own)
        flops, parameters = wide.at(1.0, width).cost()
        assert (flops, parameters) == narrow.at(1.0).cost()
        assert parameters == sum(p.numel() for p in narrow.parameters())


def test_cost_falls_with_the_square_of_the_width() -> None:
    model = ConditionalModel(NetworkSpec(arch="resnet18", widths=WIDTHS, code_length=8))
    flops, weights = zip(*(model.at(1.0, width).cost() for width in WIDTHS), strict=True)
    for width, one, other in zip(WIDTHS, flops, weights, strict=True):
        # The stem's 3 input channels, the head's 10 outputs and the codes are not slimmed.
        assert one / flops[-1] == pytest.approx(width**2, abs=0.01)
        assert other / weights[-1] == pytest.approx(width**2, abs=0.01)


def test_what_was_not_trained_is_refused_by_name(build: Build, images: Tensor) -> None:
    model = build(widths=(0.5, 1.0))
    with pytest.raises(InputError, match=r"lambda 0.25 was not trained; this model knows 0, 0.1, 0.2, 0.3, 0.4, 1"):
        model(images, 0.25)
    with pytest.raises(InputError, match=r"lambda 0.25 was not trained"):
        model.at(0.25)
    with pytest.raises(InputError, match=r"lambda is in 0..1, not 2"):
        model(images, torch.tensor([0.0, 0, 0, 0, 0, 2]))
    with pytest.raises(InputError, match=r"width 0.75 was not trained; this model has 0.5, 1"):
        model.at(0.1, width=0.75)
    with pytest.raises(InputError, match="6 images need one lambda or as many"):
        model(images, torch.zeros(5))


@torch.no_grad()
def test_the_scalar_encoding_knows_every_lambda(build: Build, images: Tensor) -> None:
    model = build(encoding="scalar")
    assert model(images, 0.25).isfinite().all()
    with pytest.raises(InputError, match=r"lambda is in 0..1"):
        model(images, -0.1)


def test_a_dedicated_model_knows_its_own_lambda(build: Build, images: Tensor) -> None:
    model = build(lambdas=(0.3,), encoding=None, dual=False)
    assert model.at(0.3)(images).shape == (6, 3)
    assert not any("film" in name or "adversarial" in name for name in model.state_dict())
    with pytest.raises(InputError, match=r"dedicated to lambda 0.3 and knows no 1"):
        model(images, 1.0)


@pytest.mark.parametrize("encoding", ["orthogonal", "one-hot", "dct"])
def test_codes_are_orthonormal_rows_and_buffers(encoding: Any) -> None:
    made = LambdaEncoding(encoding, (0.0, 0.3, 1.0), length=8, seed=4)
    codes = made(torch.tensor([0.0, 0.3, 1.0]))
    assert torch.allclose(codes @ codes.T, torch.eye(3), atol=1e-6)
    assert set(made.state_dict()) == {"matrix", "kind"}
    assert torch.equal(made(torch.tensor([1.0, 0.0])), codes[[2, 0]])


def test_published_rows_of_the_dct_are_the_same_but_longer() -> None:
    """The published code takes the DCT without a norm: its rows are 22.6 and 16 long for 128 columns."""
    published = torch.from_numpy(dct(np.eye(128), axis=0)[:3]).float()
    lengths = published.norm(dim=1)
    assert torch.allclose(lengths, torch.tensor([2 * 128**0.5, 256**0.5, 256**0.5]))
    codes = LambdaEncoding("dct", (0.0, 0.3, 1.0))(torch.tensor([0.0, 0.3, 1.0]))
    assert torch.allclose(codes, published / lengths[:, None], atol=1e-6)


def test_encodings_do_not_mix(build: Build) -> None:
    with pytest.raises(ModelError, match="trained with the dct encoding, this model has orthogonal"):
        build().load_state_dict(build(encoding="dct").state_dict())
    with pytest.raises(InputError, match="codes of length 4 cannot tell 6 lambdas apart"):
        build(code_length=4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lambdas": (0.0, 0.5, 0.2)},
        {"lambdas": (0.0, 1.5)},
        {"widths": (0.5, 0.75)},
        {"encoding": None},
        {"encoding": "binary"},
        {"classes": 1},
    ],
)
def test_a_specification_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        NetworkSpec(**{"arch": "small"} | wrong)
