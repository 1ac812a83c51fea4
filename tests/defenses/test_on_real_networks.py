"""The adversary against real networks: as strong as an independent implementation, figures in the expected order."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stormbench.defenses import defend
from stormbench.defenses.attacks import Ball, make_attack, run_attack
from stormbench.defenses.attacks.art import ToolboxAttack
from stormbench.defenses.robustness import Role, Verdict, robust_accuracy
from stormbench.errors import InputError

Cifar = tuple[Tensor, Tensor]


def right(model: nn.Module, images: Tensor, labels: Tensor) -> int:
    with torch.no_grad():
        return int((model(images).argmax(1) == labels).sum())


def test_the_checkpoint_is_what_it_should_be(resnet20: nn.Module, cifar: Cifar) -> None:
    assert right(resnet20, *cifar) == 915


@pytest.mark.parametrize(("norm", "eps", "toolbox_eps_step"), [("linf", 2 / 255, 0.25), ("l2", 0.2, 0.25)])
@pytest.mark.filterwarnings("ignore")  # the toolbox's own
def test_pgd_is_as_strong_as_the_toolboxs(
    norm: str, eps: float, toolbox_eps_step: float, resnet20: nn.Module, cifar: Cifar
) -> None:
    pytest.importorskip("art")
    images, labels = cifar[0][:100], cifar[1][:100]
    ball = Ball(norm, eps)  # type: ignore[arg-type]
    settings = {"max_iter": 10, "eps_step": toolbox_eps_step * eps, "num_random_init": 1, "verbose": False}
    theirs = ToolboxAttack(name="ProjectedGradientDescentPyTorch", settings=settings, passes=10, batch_size=100)
    ours = make_attack(f"pgd:steps=10,step={toolbox_eps_step}")
    found = [run_attack(attack, resnet20, images, labels, ball, seed=1) for attack in (ours, theirs)]
    assert right(resnet20, found[0], labels) <= right(resnet20, found[1], labels) + 1
    assert ball.distance(found[1], images).max() <= eps * (1 + 1e-5)


@pytest.mark.filterwarnings("ignore")
def test_toolbox_attacks_leave_numpys_state_alone_and_repeat(resnet20: nn.Module, cifar: Cifar) -> None:
    pytest.importorskip("art")
    images, labels = cifar[0][:4], cifar[1][:4]
    attack = ToolboxAttack(name="SquareAttack", settings={"max_iter": 5, "verbose": False})
    np.random.seed(5)
    state = np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    first, again = (run_attack(attack, resnet20, images, labels, Ball("linf", 0.05), seed=2) for _ in range(2))
    assert np.random.get_state()[1].tolist() == state  # type: ignore[union-attr]
    assert torch.equal(first, again)
    with pytest.raises(InputError, match="has no Sqare"):
        run_attack(ToolboxAttack(name="Sqare"), resnet20, images, labels, Ball("linf", 0.05))


def test_many_attacks_agree_on_a_standard_network(resnet20: nn.Module, cifar: Cifar) -> None:
    images, labels = cifar[0][:40], cifar[1][:40]
    clean = right(resnet20, images, labels)
    specs = [
        "fgsm",
        "pgd:steps=10,step=0.25",
        "apgd:steps=10",
        "apgd:steps=10,loss=dlr",
        "deepfool:steps=5,candidates=3",
    ]
    left = {
        spec: right(resnet20, run_attack(make_attack(spec), resnet20, images, labels, Ball("linf", 4 / 255)), labels)
        for spec in specs
    }
    assert left["fgsm"] < clean / 2
    assert all(left[spec] <= left["fgsm"] for spec in specs)
    assert all(left[spec] <= 2 for spec in specs[1:])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_rain_in_the_order_that_evaluations_of_its_kind_find(resnet20: nn.Module, cifar: Cifar) -> None:
    """Undefended <= adaptive << oblivious <= clean, and nothing is left where the draw is known."""
    found = robust_accuracy(
        defend(resnet20, "rain:upsampler=bicubic"), cifar[0][:40], cifar[1][:40], eps=8 / 255, budget="quick"
    )
    clean, oblivious, adaptive = (found.counts[name] or 0 for name in ("clean", "oblivious", "adaptive"))
    undefended = found.correct(Role.UNDEFENDED)
    assert undefended is not None
    assert undefended <= adaptive <= 4
    assert adaptive + 8 <= oblivious <= clean + 3
    assert found.counts["fixed_draw"] == 0
    assert found.verdict is Verdict.NOT_ROBUST
