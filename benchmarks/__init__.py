"""Floor 3: models, suites, scoring, results, comparison."""

import lazy_loader

# These need torch, which takes seconds to import: not before somebody asks for them.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "generating": ["generate"],
        "models.loading": ["Model", "load_model"],
        "scoring": ["score"],
        "suites": ["SUITES", "Suite"],
    },
)
