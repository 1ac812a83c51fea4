"""What errors are measured against: one file a baseline, each number with its source."""

from stormbench.metrics.baselines.library import (
    BASELINES,
    Baseline,
    PublishedRow,
    load_baseline,
    published_rows,
    write_baseline,
)

__all__ = ["BASELINES", "Baseline", "PublishedRow", "load_baseline", "published_rows", "write_baseline"]
