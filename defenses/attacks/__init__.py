"""Attacks in pure torch, by name; nothing here imports torch before something is attacked."""

from typing import TYPE_CHECKING

import lazy_loader

from stormbench.defenses.attacks.registry import ATTACKS, AttackEntry, make_attack

if TYPE_CHECKING:
    from stormbench.defenses.attacks.ball import Ball
    from stormbench.defenses.attacks.base import Attack, run_attack

__all__ = ["ATTACKS", "Attack", "AttackEntry", "Ball", "make_attack", "run_attack"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={"ball": ["Ball"], "base": ["Attack", "run_attack"]},
)
