"""How fast the corruptions are, beside others, in one run: ``python -m stormbench.benchmarks.speed``."""

from stormbench.benchmarks.speed.measure import (
    Contender,
    Measurement,
    imagecorruptions,
    measure,
    ours,
    reference_module,
)

__all__ = ["Contender", "Measurement", "imagecorruptions", "measure", "ours", "reference_module"]
