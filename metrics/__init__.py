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
from stormbench.metrics.stability import (
    CIFAR_PERTURBATIONS,
    TEST_PERTURBATIONS,
    flip_probability,
    flip_rate,
    mean_flip_rate,
    mean_top5_distance,
    top5_distance,
    zipf_distance,
)

__all__ = [
    "BASELINES",
    "CIFAR_PERTURBATIONS",
    "TEST_CORRUPTIONS",
    "TEST_PERTURBATIONS",
    "Baseline",
    "Interval",
    "bootstrap",
    "corruption_error",
    "flip_probability",
    "flip_rate",
    "load_baseline",
    "mean_corruption_error",
    "mean_error",
    "mean_flip_rate",
    "mean_top5_distance",
    "predict",
    "rank_of_label",
    "relative_corruption_error",
    "relative_mean_corruption_error",
    "top5_distance",
    "unnormalised_corruption_error",
    "wilson",
    "zipf_distance",
]
