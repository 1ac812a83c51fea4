"""Perturbation sequences of ImageNet-P: one image, changed a little from frame to frame."""

from stormbench.corruptions.perturbations.catalogue import (
    LEVELS,
    PERTURBATIONS,
    SCORED,
    SCORED_CIFAR,
    Perturbation,
    perturb,
)

__all__ = ["LEVELS", "PERTURBATIONS", "SCORED", "SCORED_CIFAR", "Perturbation", "perturb"]
