"""Runs one row of an evaluation on one batch of images."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.base import run_attack, subseed
from stormbench.defenses.attacks.expectation import expected_margin, finite_logits, undisturbed
from stormbench.defenses.attacks.registry import make_attack
from stormbench.defenses.base import Defense, fixed_draw, random_parts, votes
from stormbench.defenses.robustness.budgets import LARGE_EPS, Role, Row
from stormbench.errors import InputError


@dataclass(frozen=True)
class Target:
    """What is attacked, and what an attacker may make use of.

    Attributes:
        model: the defended model.
        undefended: the model without its defense, if there is one.
        sources: other models that adversarial images may come from.
        vote: how many draws vote in the second way of judging.
        judge: draws by which attacks are compared.
    """

    model: nn.Module
    undefended: nn.Module | None = None
    sources: Mapping[str, nn.Module] = field(default_factory=dict)
    vote: int = 20
    judge: int = 20


@dataclass(frozen=True)
class Judged:
    """What became of each image, ``(N,)`` each.

    Attributes:
        danger: mean margin over draws that do not judge: by this the worst attack is chosen.
        correct: right by the model's own rule of decision, with fresh draws.
        correct_vote: right by the vote of several fresh draws.
    """

    danger: Tensor
    correct: Tensor
    correct_vote: Tensor


def run_row(row: Row, target: Target, images: Tensor, labels: Tensor, ball: Ball, *, seed: int) -> Judged:
    """Attacks a batch and judges the outcome with fresh draws.

    Args:
        row: what to run.
        target: on what.
        images: ``(N, 3, H, W)`` in [0, 1].
        labels: true classes, ``(N,)``.
        ball: the threat model of the evaluation.
        seed: of this batch.

    Raises:
        InputError: the row needs a model that the target lacks, or images or labels are wrong.
        ModelError: the model gives no finite logits, or fewer classes than the labels name.
    """
    if not row.attack:
        return _judge(target.model, target, images, labels, subseed(seed, row.name))
    attack, reach = make_attack(row.attack), radius_of(row, ball)
    attack_seed = subseed(seed, row.name, "attack")
    if row.role is Role.FIXED_DRAW:
        with undisturbed(target.model, attack_seed), fixed_draw(target.model):
            moved = run_attack(attack, target.model, images, labels, reach, seed=attack_seed)
            margin = expected_margin(target.model, moved, labels, draws=1)
            return Judged(margin, margin < 0, margin < 0)
    victim = _victim(row, target)
    moved = run_attack(attack, victim, images, labels, reach, seed=attack_seed)
    judged_on = victim if row.role is Role.UNDEFENDED else target.model
    return _judge(judged_on, target, moved, labels, subseed(seed, row.name, "judge"))


def radius_of(row: Row, ball: Ball) -> Ball:
    """The ball that a row's attack may use."""
    return Ball(ball.norm, max(ball.eps, LARGE_EPS[ball.norm])) if row.role is Role.LARGE else ball


def _victim(row: Row, target: Target) -> nn.Module:
    """The model that the adversarial images are made on."""
    if row.role in (Role.OBLIVIOUS, Role.UNDEFENDED):
        if target.undefended is None:
            raise InputError(f"the row {row.name!r} needs the undefended model")
        return target.undefended
    return target.sources[row.source] if row.role is Role.TRANSFER else target.model


@torch.no_grad()
def _judge(model: nn.Module, target: Target, images: Tensor, labels: Tensor, seed: int) -> Judged:
    random = is_random(model, images[:1])
    with undisturbed(model, subseed(seed, "choose")):
        danger = expected_margin(model, images, labels, draws=target.judge if random else 1)
    with undisturbed(model, subseed(seed, "rule"), single_draw=False):
        correct = _correct(model, images, labels)
    if not random:
        return Judged(danger, correct, correct)
    with undisturbed(model, subseed(seed, "vote"), single_draw=False), votes(model, target.vote):
        return Judged(danger, correct, _correct(model, images, labels))


def _correct(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return finite_logits(model, images).argmax(dim=1) == labels


@torch.no_grad()
def is_random(model: nn.Module, images: Tensor) -> bool:
    """Whether a model draws: it holds a random defense, or two passes over the same images differ."""
    if random_parts(model):
        return True
    with undisturbed(model, 0):
        return varies(model, images)


def varies(model: nn.Module, images: Tensor) -> bool:
    """Whether two passes in the present state differ by more than rounding, which some GPU kernels do not repeat."""
    return not torch.allclose(finite_logits(model, images), finite_logits(model, images), rtol=1e-4, atol=1e-5)


def undefended_model(model: nn.Module) -> nn.Module | None:
    """What is left when all defenses in front are taken away; None where there are none."""
    if not isinstance(model, Defense):
        return None
    while isinstance(model, Defense):
        model = model.model
    return model
