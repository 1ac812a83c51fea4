"""Adversarial training and its kin: one loop, and recipes as data. Nothing here imports torch before it is used."""

from typing import TYPE_CHECKING

import lazy_loader

from stormbench.defenses.training.recipe import Recipe, read_recipe, recipes

if TYPE_CHECKING:
    from stormbench.defenses.training.batch import Batch, Outcome
    from stormbench.defenses.training.build import build_objective, build_training, train_model
    from stormbench.defenses.training.contracts import Objective
    from stormbench.defenses.training.loop import Plan, Progress, Training

__all__ = [
    "Batch",
    "Objective",
    "Outcome",
    "Plan",
    "Progress",
    "Recipe",
    "Training",
    "build_objective",
    "build_training",
    "read_recipe",
    "recipes",
    "train_model",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "batch": ["Batch", "Outcome"],
        "build": ["build_objective", "build_training", "train_model"],
        "contracts": ["Objective"],
        "loop": ["Plan", "Progress", "Training"],
    },
)
