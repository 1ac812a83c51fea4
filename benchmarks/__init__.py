"""Floor 3: suites, models, evaluation, results, analysis, leaderboard."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from stormbench.benchmarks.evaluation.attack import attack
    from stormbench.benchmarks.evaluation.evaluate import evaluate, score
    from stormbench.benchmarks.evaluation.options import RunOptions
    from stormbench.benchmarks.generation.generate import generate
    from stormbench.benchmarks.models.loading import load_model
    from stormbench.benchmarks.models.model import Model
    from stormbench.benchmarks.results.run import Run
    from stormbench.benchmarks.suites.registry import SUITES, Suite

__all__ = ["SUITES", "Model", "Run", "RunOptions", "Suite", "attack", "evaluate", "generate", "load_model", "score"]

# Some of these need torch, which takes seconds to import: not before somebody asks for them.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation.attack": ["attack"],
        "evaluation.evaluate": ["evaluate", "score"],
        "evaluation.options": ["RunOptions"],
        "generation.generate": ["generate"],
        "models.loading": ["load_model"],
        "models.model": ["Model"],
        "results.run": ["Run"],
        "suites.registry": ["SUITES", "Suite"],
    },
)
