"""Pure functions from outcomes to figures: no model, no file of images, no torch."""

from stormbench.metrics.baselines import BASELINES, Baseline, load_baseline
from stormbench.metrics.classification import predict, rank_of_label
from stormbench.metrics.corruption import (
    TEST_CORRUPTIONS,
    corruption_error,
    mean_corruption_error,
    mean_error,
    relative_corruption_error,
    relative_mean_corruption_error,
    unnormalised_corruption_error,
)
from stormbench.metrics.intervals import Interval, bootstrap, wilson

__all__ = [
    "BASELINES",
    "TEST_CORRUPTIONS",
    "Baseline",
    "Interval",
    "bootstrap",
    "corruption_error",
    "load_baseline",
    "mean_corruption_error",
    "mean_error",
    "predict",
    "rank_of_label",
    "relative_corruption_error",
    "relative_mean_corruption_error",
    "unnormalised_corruption_error",
    "wilson",
]
