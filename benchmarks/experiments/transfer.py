"""Adversarial images made at one lambda and shown to the same model at another."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor

from stormbench.benchmarks.experiments.points import Plan
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.tradeoffs import Share, Transfer
from stormbench.datasets import match_classes
from stormbench.datasets.on_the_fly import clean_pixels
from stormbench.defenses.attacks import make_attack, run_attack
from stormbench.defenses.attacks.base import subseed
from stormbench.defenses.robustness.budgets import with_settings
from stormbench.errors import InputError


def transfers(plan: Plan, models: Mapping[float, Model], width: float) -> list[Transfer]:
    """Every pair of lambdas: the budget's lead attack, made at the one and judged at the other.

    Whoever lets a caller choose lambda has to fear the attack that did not know the choice as well.

    Args:
        plan: on what.
        models: one network, by lambda.
        width: of all of them.

    Raises:
        InputError: the images come in several sizes.
    """
    attack = with_settings(plan.budget.lead, steps=plan.budget.lead_steps)
    right = dict.fromkeys(product(models, models), 0)
    total = min(plan.attacked or len(plan.images), len(plan.images))
    for start in range(0, total, plan.batch_size):
        stop = min(start + plan.batch_size, total)
        images, labels = _batch(plan, next(iter(models.values())), range(start, stop))
        for made_at, source in models.items():
            seed = subseed(plan.seed, "transfer", start, made_at)
            moved = run_attack(make_attack(attack), source.to(plan.device), images, labels, plan.ball, seed=seed)
            for tested_at, target in models.items():
                right[made_at, tested_at] += _right(target.to(plan.device), moved, labels)
        plan.report(f"transfers at width {width:g}", stop, total)
    return [
        Transfer(
            width=width, made_at=made_at, tested_at=tested_at, attack=attack, right=Share(count=count, images=total)
        )
        for (made_at, tested_at), count in right.items()
    ]


@torch.no_grad()
def _right(model: Model, images: Tensor, labels: Tensor) -> int:
    return int((model(images).argmax(dim=1) == labels).sum())


def _batch(plan: Plan, model: Model, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Images ``(N, 3, H, W)`` in [0, 1] and labels ``(N,)``."""
    pictures = [clean_pixels(plan.images.read(index), plan.suite.geometry) for index in indices]
    if len({picture.shape for picture in pictures}) > 1:
        raise InputError(f"the images of {plan.images.name} come in several sizes; choose a suite that resizes")
    labels = match_classes(plan.images, model.num_classes)[list(indices)]
    images = torch.from_numpy(np.stack(pictures)).to(plan.device).permute(0, 3, 1, 2).float() / 255
    return images, torch.from_numpy(labels).to(plan.device)
