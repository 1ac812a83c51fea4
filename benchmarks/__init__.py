"""Floor 3: suites, models, evaluation, results, analysis, leaderboard."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from stormbench.benchmarks.evaluation.evaluate import score
    from stormbench.benchmarks.generation.generate import generate
    from stormbench.benchmarks.models.loading import load_model
    from stormbench.benchmarks.models.model import Model
    from stormbench.benchmarks.suites.corruptions import SUITES, Suite

__all__ = ["SUITES", "Model", "Suite", "generate", "load_model", "score"]

# These need torch, which takes seconds to import: not before somebody asks for them.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation.evaluate": ["score"],
        "generation.generate": ["generate"],
        "models.loading": ["load_model"],
        "models.model": ["Model"],
        "suites.corruptions": ["SUITES", "Suite"],
    },
)
