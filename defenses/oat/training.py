"""Once-for-all adversarial training, with widths (OATS) and without, and the dedicated baseline (arXiv 2010.11828).

The three are one procedure: a dedicated model has one lambda, no FiLM and single batch norms; OATS has several widths.
The loop is the one of all recipes (``stormbench.defenses.training``); only lambdas and objective are OAT's own.
"""

from dataclasses import asdict
from pathlib import Path

import torch

from stormbench.defenses.oat.model import ConditionalModel
from stormbench.defenses.oat.objective import ConditionalObjective, Lambdas
from stormbench.defenses.oat.recipe import Recipe
from stormbench.defenses.training.distributed import OneDevice, Strategy
from stormbench.defenses.training.loop import Load, Plan, Progress, Report, Training
from stormbench.defenses.training.views.simple import Crop


def train(
    model: ConditionalModel,
    load: Load,
    count: int,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    report: Report | None = None,
    strategy: Strategy | None = None,
) -> list[Progress]:
    """Trains a conditional or a dedicated model in place.

    Args:
        model: as built; it knows its lambdas and widths.
        load: gives images ``(B, 3, H, W)`` in [0, 1] and labels ``(B,)`` for a tensor of indices ``(B,)``.
        count: how many images there are.
        recipe: how to go about it.
        checkpoint: file that keeps the state after every epoch; training continues from it, on the CPU to the same
            weights as if it had never stopped.
        report: called after every step.
        strategy: on which devices; by default where the model is.

    Returns:
        How each epoch ended.

    Raises:
        InputError: there are fewer images than a batch has processes.
        ModelError: the loss is not a number.
        SettingsChangedError: the checkpoint was made with other settings.
    """
    strategy = strategy or OneDevice(model.mean.device)
    model.to(strategy.device)
    lambdas = Lambdas(model.spec.lambdas, recipe.zero_share)
    plan = Plan(
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        rate_at=recipe.rate_at,
        settings={"network": asdict(model.spec), "recipe": asdict(recipe), "images": count},
        views=(Crop(), lambdas) if recipe.augment else (lambdas,),
    )
    optimiser = torch.optim.SGD(
        model.parameters(), lr=recipe.rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    objective = ConditionalObjective(model, recipe)
    return Training(objective, optimiser, load, count, plan, checkpoint, report or (lambda _: None), strategy).run()
