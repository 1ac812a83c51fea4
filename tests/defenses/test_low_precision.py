"""Attacks are as strong on logits of half precision as on those of float32."""

import pytest
import torch
from torch import Tensor, nn

from stormbench.defenses.attacks import Ball, make_attack, run_attack
from stormbench.defenses.attacks.expectation import expected_gradient
from stormbench.defenses.attacks.losses import LOSSES
from stormbench.defenses.robustness import robust_accuracy
from stormbench.errors import ModelError

HALVES = [torch.float16, torch.bfloat16]


class Cast(nn.Module):
    """Gives the logits of a model in another type."""

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.model, self.dtype = model, dtype

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images)
        return (20 * logits).to(self.dtype)


def confident(linear: nn.Module) -> tuple[Tensor, Tensor]:
    images = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return images, linear(images).argmax(1)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_survive_half_precision(dtype: torch.dtype, loss: str, linear: nn.Module) -> None:
    images, labels = confident(linear)
    whole, half = (
        expected_gradient(Cast(linear, kind), images, labels, LOSSES[loss], draws=1).gradient  # type: ignore[index]
        for kind in (torch.float32, dtype)
    )
    assert whole.flatten(1).any(dim=1).all()
    assert half.dtype == torch.float32
    alike = torch.cosine_similarity(whole.flatten(1).double(), half.flatten(1).double())
    assert alike.min() > 0.9


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("spec", ["fgsm", "pgd:steps=10", "apgd:steps=10", "fab:steps=10", "deepfool", "cw:steps=20"])
def test_attacks_break_as_many(dtype: torch.dtype, spec: str, linear: nn.Module) -> None:
    images, labels = confident(linear)
    left = []
    for kind in (torch.float32, dtype):
        moved = run_attack(make_attack(spec), Cast(linear, kind), images, labels, Ball("l2", 0.8))
        left.append(int((linear(moved).argmax(1) == labels).sum()))
    assert left[1] <= left[0] + 2


@pytest.mark.parametrize("dtype", HALVES)
def test_an_evaluation_says_the_same(dtype: torch.dtype, linear: nn.Module) -> None:
    images, labels = confident(linear)
    found = [
        robust_accuracy(Cast(linear, kind), images, labels, eps=0.3, budget="quick") for kind in (torch.float32, dtype)
    ]
    assert found[0].verdict is found[1].verdict
    assert found[0].counts == found[1].counts


@pytest.mark.parametrize("spec", ["fgsm", "pgd", "apgd", "fab", "deepfool", "cw"])
def test_a_model_that_detaches_its_logits_is_named(spec: str, linear: nn.Module) -> None:
    class Detached(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = linear(images)
            return logits.detach()

    images, labels = confident(linear)
    with pytest.raises(ModelError, match=r"logits have no gradient.*square and noise"):
        run_attack(make_attack(spec), Detached(), images, labels, Ball("l2", 0.5))


@pytest.mark.parametrize(
    ("answer", "message"),
    [(None, "gives NoneType"), ((1, 2), "gives tuple"), (torch.zeros(20, dtype=torch.long), "int64 of shape")],
)
def test_what_is_no_tensor_of_logits(answer: object, message: str, linear: nn.Module) -> None:
    class Odd(nn.Module):
        def forward(self, images: Tensor) -> object:  # noqa: ARG002
            return answer

    with pytest.raises(ModelError, match=message):
        run_attack(make_attack("fgsm"), Odd(), *confident(linear), Ball("l2", 0.5))
