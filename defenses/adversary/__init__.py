"""The adversary that judges defenses: attacks in pure torch, and the evaluation that joins them.

Nothing here imports torch before something is attacked.
"""

from typing import TYPE_CHECKING

import lazy_loader

from stormbench.defenses.adversary.attacks import ATTACKS, AttackEntry, make_attack
from stormbench.defenses.adversary.plan import BUDGETS, Budget, Role, Row

if TYPE_CHECKING:
    from stormbench.defenses.adversary.ball import Ball
    from stormbench.defenses.adversary.base import Attack, run_attack
    from stormbench.defenses.adversary.evaluation import Evaluation, robust_accuracy
    from stormbench.defenses.adversary.verdict import Verdict

__all__ = [
    "ATTACKS",
    "BUDGETS",
    "Attack",
    "AttackEntry",
    "Ball",
    "Budget",
    "Evaluation",
    "Role",
    "Row",
    "Verdict",
    "make_attack",
    "robust_accuracy",
    "run_attack",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "ball": ["Ball"],
        "base": ["Attack", "run_attack"],
        "evaluation": ["Evaluation", "robust_accuracy"],
        "verdict": ["Verdict"],
    },
)
