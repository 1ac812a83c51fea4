"""Defenses: what stands between the images and a model, and the adversary that judges it.

A model is an ``nn.Module`` from ``(N, 3, H, W)`` float RGB in [0, 1] to logits ``(N, K)``; so is a defended model, so
defenses nest. Nothing here imports torch before it is asked to defend or to attack.
"""

from typing import TYPE_CHECKING

import lazy_loader

from stormbench.defenses.registry import DEFENSES, DefenseEntry

if TYPE_CHECKING:
    from stormbench.defenses.base import (
        Defense,
        RandomDefense,
        draws_per_decision,
        fixed_draw,
        own_weights_digest,
        reseed,
    )
    from stormbench.defenses.rain.defense import RAIN
    from stormbench.defenses.specs import defend

__all__ = [
    "DEFENSES",
    "RAIN",
    "Defense",
    "DefenseEntry",
    "RandomDefense",
    "defend",
    "draws_per_decision",
    "fixed_draw",
    "own_weights_digest",
    "reseed",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "base": ["Defense", "RandomDefense", "draws_per_decision", "fixed_draw", "own_weights_digest", "reseed"],
        "rain.defense": ["RAIN"],
        "specs": ["defend"],
    },
)
