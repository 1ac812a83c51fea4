"""stormbench: how well does an image classifier hold up when the weather turns?

Generates ImageNet-C and ImageNet-P style corruptions (Hendrycks and Dietterich 2019, arXiv 1903.12261), scores models
on them, bare or behind a defense, and compares the results. ``import stormbench as sb`` gives all that is in
``__all__``; it is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stormbench._version import __version__
from stormbench.errors import StormbenchError

if TYPE_CHECKING:
    from stormbench.api import (
        Run,
        attack,
        compare,
        evaluate,
        from_arrays,
        from_torch,
        leaderboard,
        load,
        wrap,
    )

__all__ = [
    "Run",
    "StormbenchError",
    "__version__",
    "attack",
    "compare",
    "evaluate",
    "from_arrays",
    "from_torch",
    "leaderboard",
    "load",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("stormbench.api"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
