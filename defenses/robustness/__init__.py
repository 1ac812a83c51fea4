"""Robust accuracy under named budgets of attacks, with controls and a verdict; torch loads at the first attack."""

from typing import TYPE_CHECKING

import lazy_loader

from stormbench.defenses.robustness.budgets import BUDGETS, Budget, Role, Row

if TYPE_CHECKING:
    from stormbench.defenses.robustness.robust_accuracy import Evaluation, robust_accuracy
    from stormbench.defenses.robustness.verdict import Verdict

__all__ = ["BUDGETS", "Budget", "Evaluation", "Role", "Row", "Verdict", "robust_accuracy"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={"robust_accuracy": ["Evaluation", "robust_accuracy"], "verdict": ["Verdict"]},
)
