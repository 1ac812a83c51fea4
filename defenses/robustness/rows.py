"""Runs one row of an evaluation on one batch of images."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.base import Attack, run_attack, subseed
from stormbench.defenses.attacks.expectation import expected_margin, finite_logits, gradient_sizes, undisturbed, varies
from stormbench.defenses.attacks.losses import LOSSES, LossName
from stormbench.defenses.attacks.registry import make_attack
from stormbench.defenses.base import Defense, fixed_draw, random_parts, votes
from stormbench.defenses.robustness.budgets import LARGE_EPS, Role, Row
from stormbench.defenses.robustness.outcomes import NOT_FINITE, SOUND, ZERO, Judged
from stormbench.errors import InputError

_LOOKS = 4  # draws by which a gradient is called zero


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


def run_row(
    row: Row, target: Target, images: Tensor, labels: Tensor, ball: Ball, *, seed: int, settled: Judged | None = None
) -> Judged:
    """Attacks a batch and judges the outcome with fresh draws.

    Args:
        row: what to run.
        target: on what.
        images: ``(N, 3, H, W)`` in [0, 1].
        labels: true classes, ``(N,)``.
        ball: the threat model of the evaluation.
        seed: of this batch.
        settled: what earlier attacks of a cascade left: only images that are right are attacked, the others stay as
            they were judged.

    Raises:
        InputError: the row needs a model that the target lacks, or images or labels are wrong.
        ModelError: the model gives no finite logits, or fewer classes than the labels name.
    """
    if settled is not None:
        return _on_what_is_left(row, target, images, labels, ball, seed, settled)
    if not row.attack:
        return _judge(target.model, target, images, labels, subseed(seed, row.name))
    attack, reach = make_attack(row.attack), radius_of(row, ball)
    attack_seed = subseed(seed, row.name, "attack")
    if row.role is Role.FIXED_DRAW:
        with undisturbed(target.model, attack_seed), fixed_draw(target.model):
            moved = run_attack(attack, target.model, images, labels, reach, seed=attack_seed)
            margin = expected_margin(target.model, moved, labels, draws=1)
            return _as_arrays(margin, margin < 0, margin < 0)
    victim = _victim(row, target)
    if row.role in (Role.OBLIVIOUS, Role.TRANSFER):
        attack = persistent(attack)
    moved = run_attack(attack, victim, images, labels, reach, seed=attack_seed)
    judged_on = victim if row.role is Role.UNDEFENDED else target.model
    judged = _judge(judged_on, target, moved, labels, subseed(seed, row.name, "judge"))
    if row.role is not Role.ADAPTIVE:
        return judged
    return replace(judged, gradient=_gradients(attack, victim, moved, labels, judged.correct, attack_seed))


def _on_what_is_left(
    row: Row, target: Target, images: Tensor, labels: Tensor, ball: Ball, seed: int, settled: Judged
) -> Judged:
    left = settled.correct.nonzero()[0]
    found = settled.take(slice(None))
    if not len(left):
        return found
    at = torch.from_numpy(left).to(images.device)
    new = run_row(row, target, images[at], labels[at], ball, seed=seed)
    merged = {name: array.copy() for name, array in vars(found).items()}
    for name, array in merged.items():
        array[left] = getattr(new, name)
    return Judged(**merged)


def _gradients(
    attack: Attack, model: nn.Module, moved: Tensor, labels: Tensor, correct: NDArray[np.bool_], seed: int
) -> NDArray[np.uint8]:
    """Of each image that the attack left right, whether it had a gradient to follow in the end."""
    states = np.full(len(moved), SOUND, dtype=np.uint8)
    loss: LossName = getattr(attack, "loss", "margin")
    if not correct.any() or getattr(attack, "backward", "own") != "own":
        return states
    at = torch.from_numpy(correct.nonzero()[0]).to(moved.device)
    with undisturbed(model, seed):
        size, finite = gradient_sizes(model, moved[at], labels[at], LOSSES[loss], draws=min(attack.draws, _LOOKS))
    states[correct] = np.where(finite, np.where(size > 0, SOUND, ZERO), NOT_FINITE)
    return states


def persistent(attack: Attack) -> Attack:
    """The attack without its stop at the first mistake: what just fools one model rarely fools another."""
    return replace(attack, stop=False) if hasattr(attack, "stop") else attack  # type: ignore[type-var]


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
        return _as_arrays(danger, correct, correct)
    with undisturbed(model, subseed(seed, "vote"), single_draw=False), votes(model, target.vote):
        return _as_arrays(danger, correct, _correct(model, images, labels))


def _as_arrays(danger: Tensor, correct: Tensor, correct_vote: Tensor) -> Judged:
    arrays = [each.cpu().numpy() for each in (danger, correct, correct_vote)]
    return Judged(arrays[0], arrays[1], arrays[2], np.full(len(danger), SOUND, dtype=np.uint8))


def _correct(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return finite_logits(model, images).argmax(dim=1) == labels


@torch.no_grad()
def is_random(model: nn.Module, images: Tensor) -> bool:
    """Whether a model draws: it holds a random defense, or two passes over the same images differ."""
    if random_parts(model):
        return True
    with undisturbed(model, 0):
        return varies(model, images)


def undefended_model(model: nn.Module) -> nn.Module | None:
    """What is left when all defenses in front are taken away; None where there are none."""
    if not isinstance(model, Defense):
        return None
    while isinstance(model, Defense):
        model = model.model
    return model
