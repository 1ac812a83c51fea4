"""What one step of training works on, and what it comes to."""

from typing import NamedTuple

import torch
from torch import Tensor


class Batch:
    """The images of one step and all that belongs to them.

    It is no dataclass and no tuple on purpose: Lightning Fabric would find the tensors in one and round pixels to half
    precision, and the attack would leave its ball.

    Attributes:
        images: ``(B, 3, H, W)`` in [0, 1], after augmentation.
        labels: ``(B,)`` int64; pseudo-labels where the image has no other.
        indices: ``(B,)`` int64, each image's position in the data set, for memories that are kept between epochs.
        views: further tensors of ``B`` rows, by name, that views added: second versions, lambdas.
        weights: ``(B, 2)``: each image's weight in the natural and in the adversarial loss; None weighs all alike.
        share: how much of the training is done, 0 to 1.
    """

    def __init__(self, images: Tensor, labels: Tensor, indices: Tensor | None = None, *, share: float = 0.0) -> None:
        self.images, self.labels, self.share = images, labels, share
        self.indices = torch.arange(len(images)) if indices is None else indices
        self.views: dict[str, Tensor] = {}
        self.weights: Tensor | None = None

    def chosen(self, which: Tensor) -> "Batch":
        """The images that ``which`` chooses, a mask ``(B,)`` or indices, with all that belongs to them."""
        own = which.to(self.indices.device)
        part = Batch(self.images[which], self.labels[which], self.indices[own], share=self.share)
        part.views = {name: view[which] for name, view in self.views.items()}
        part.weights = None if self.weights is None else self.weights[which]
        return part


class Outcome(NamedTuple):
    """What a step of training came to.

    Attributes:
        loss: the scalar that is minimised.
        clean_right: number of undisturbed images that were classified right; None where none was passed.
        robust_right: number of moved images that were.
        attacked: how many images were moved.
    """

    loss: Tensor
    clean_right: int | None
    robust_right: int
    attacked: int
