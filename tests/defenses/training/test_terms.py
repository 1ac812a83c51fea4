"""The terms of the loss against literal transcriptions of the papers' formulas."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.training import Batch
from stormbench.defenses.training.spaces.pixel import Pixel
from stormbench.defenses.training.terms.pair import Pair, Passed


def random_logits() -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(3)
    natural, moved = (3 * torch.randn(12, 5, generator=draw, dtype=torch.float64).float() for _ in range(2))
    return natural, moved, torch.randint(5, (12,), generator=draw)


def loss_of(term: Pair, natural: Tensor, moved: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    batch = Batch(torch.zeros(len(labels), 3, 4, 4), labels)
    batch.weights = weights
    passed = Passed(nn.Identity(), batch, Pixel(), torch.Generator(), natural, moved)
    return term(passed)


def test_mart_is_its_formula() -> None:
    natural, moved, labels = random_logits()
    p, q = natural.softmax(1), moved.softmax(1)
    total = 0.0
    for i, y in enumerate(labels.tolist()):
        wrong = max(float(q[i, k]) for k in range(5) if k != y)
        bce = -torch.log(q[i, y]) - torch.log(torch.tensor(1.0001 - wrong + 1e-12))
        divergence = sum(float(p[i, k] * torch.log(p[i, k] / q[i, k])) for k in range(5))
        total += float(bce) + 5 * divergence * (1 - float(p[i, y]))
    term = Pair(natural=0, adversarial=1, loss="bce", pair=5, kind="weighted-kl")
    assert loss_of(term, natural, moved, labels).item() == pytest.approx(total / 12, rel=1e-5)


def test_trades_is_its_formula_and_both_sides_get_gradients() -> None:
    natural, moved, labels = random_logits()
    natural.requires_grad_()
    moved.requires_grad_()
    expected = functional.cross_entropy(natural, labels) + 6 * functional.kl_div(
        moved.log_softmax(1), natural.softmax(1), reduction="batchmean"
    )
    found = loss_of(Pair(pair=6), natural, moved, labels)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    for ours, theirs in zip(
        torch.autograd.grad(found, (natural, moved)), torch.autograd.grad(expected, (natural, moved)), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-6)
        assert ours.abs().sum() > 0


@pytest.mark.parametrize("kind", ["kl", "weighted-kl", "mse", "js"])
def test_gradients_of_the_distances(kind: str) -> None:
    """Finite differences over both sides; the distance itself is computed in 32 bits, hence the wide step."""
    natural, moved, labels = random_logits()
    term = Pair(pair=1, kind=kind)  # type: ignore[arg-type]
    natural.requires_grad_()
    moved.requires_grad_()
    gradients = torch.autograd.grad(term.distance(natural, moved, labels).sum(), (natural, moved))
    for side, gradient in enumerate(gradients):
        for i, k in ((0, 0), (3, 2), (7, 4)):
            sides = [[natural.detach().clone(), moved.detach().clone()] for _ in range(2)]
            sides[0][side][i, k] += 1e-2
            sides[1][side][i, k] -= 1e-2
            above, below = (term.distance(*each, labels).sum().item() for each in sides)
            assert gradient[i, k].item() == pytest.approx((above - below) / 2e-2, abs=2e-3)


def test_pairing_of_logits_is_symmetrical_and_its_sum_is_k_times_its_mean() -> None:
    natural, moved, labels = random_logits()
    mean, total = Pair(pair=1, kind="mse"), Pair(pair=1, kind="mse", reduction="sum")
    assert torch.equal(mean.distance(natural, moved, labels), mean.distance(moved, natural, labels))
    assert torch.allclose(total.distance(natural, moved, labels), 5 * mean.distance(natural, moved, labels))


def test_jensen_shannon_by_hand() -> None:
    one, other = torch.tensor([[0.0, -100.0]]), torch.tensor([[-100.0, 0.0]])
    distance = Pair(pair=1, kind="js").distance(one, other, torch.tensor([0]))
    assert distance.item() == pytest.approx(0.6931, abs=1e-3)  # ln 2 for disjoint certainties


def test_weights_are_those_of_robust_self_training() -> None:
    natural, moved, labels = random_logits()
    weights = torch.tensor([[0.1, 0.5]] * 6 + [[0.9, 0.5]] * 6)
    found = loss_of(Pair(natural=0.5, adversarial=0.5), natural, moved, labels, weights)
    clean, robust = (functional.cross_entropy(each, labels, reduction="none") for each in (natural, moved))
    labelled, pseudo = clean[:6].sum(), clean[6:].sum()
    expected = 0.5 * (0.1 * labelled + 0.9 * pseudo) / (0.1 * 6 + 0.9 * 6) + 0.5 * robust.mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
