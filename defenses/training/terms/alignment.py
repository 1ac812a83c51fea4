"""Gradient alignment against catastrophic overfitting (Andriushchenko and Flammarion 2020, arXiv 2007.02617)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.training.batch import Batch
from stormbench.defenses.training.terms.pair import Passed
from stormbench.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Align:
    """``weight * mean(1 - cos(g(x), g(x + u)))``: input gradients at an image and at a random point around it.

    As in the source, the gradient at the image is a constant and the one at the random point is differentiated; images
    whose gradients vanish do not count.

    Attributes:
        weight: of the term; the source uses 0.2 for 8/255.

    Raises:
        InputError: the weight is negative.
    """

    weight: float = 0.2
    needs_natural = False
    needs_moved = False
    passes = 3.0  # two input gradients, one of them differentiated again

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise InputError(f"the weight is not negative, not {self.weight:g}")

    def __call__(self, passed: Passed) -> Tensor:
        """See ``Term``."""
        batch = passed.batch
        near = passed.space.start(batch, passed.generator, "uniform")
        here = input_gradient(passed.model, batch, batch.images).detach().flatten(1)
        there = input_gradient(passed.model, batch, passed.space.apply(batch, near), differentiable=True).flatten(1)
        counted = (here.norm(dim=1) > 0) & (there.detach().norm(dim=1) > 0)
        cosines = functional.cosine_similarity(here[counted], there[counted], dim=1)
        return self.weight * (1 - cosines).sum() / max(1, int(counted.sum()))


def input_gradient(model: nn.Module, batch: Batch, images: Tensor, *, differentiable: bool = False) -> Tensor:
    """Gradient of the mean cross-entropy with respect to images, ``(B, 3, H, W)``."""
    images = images.detach().requires_grad_()
    loss = functional.cross_entropy(model(images).float(), batch.labels)
    (gradient,) = torch.autograd.grad(loss, images, create_graph=differentiable)
    return gradient
