"""Free adversarial training: one pass gives the gradients of weights and images (Shafahi 2019, arXiv 1904.12843)."""

from typing import Any

import torch
from torch import Tensor, nn

from stormbench.defenses.training.batch import Batch
from stormbench.defenses.training.contracts import Space
from stormbench.defenses.training.spaces.pixel import Pixel
from stormbench.errors import InputError


class Carried:
    """A perturbation that is carried from step to step, and moved by the gradient of the training pass itself.

    As in the source it starts at 0, is never reset, belongs to a position in the batch and not to an image, and gets no
    gradient from pixels that it pushes out of [0, 1]. The recipe's replays are its inner steps.

    Args:
        step: length of a step, for pixels in [0, 1].

    Raises:
        InputError: the step is not positive.
    """

    passes = 0.0  # the pass that trains the weights is the attack's too

    def __init__(self, *, step: float = 8 / 255) -> None:
        if step <= 0:
            raise InputError(f"a step has a positive length, not {step:g}")
        self.step = step
        self.eps = 0.0
        self.delta: Tensor | None = None
        self.leaf: Tensor | None = None

    def __call__(self, model: nn.Module, space: Space, batch: Batch, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """See ``Inner``; the images carry gradients, which ``after_step`` reads.

        Raises:
            InputError: the space is not the ball of linf.
        """
        if not isinstance(space, Pixel) or space.norm != "linf":
            raise InputError(f"the carried perturbation moves in pixel:norm=linf, not in {space}")
        self.eps = space.eps
        if self.delta is None or self.delta.shape[1:] != batch.images.shape[1:] or len(self.delta) < len(batch.images):
            self.delta = torch.zeros_like(batch.images)
        self.leaf = self.delta.to(batch.images.device)[: len(batch.images)].clone().requires_grad_()
        return (batch.images + self.leaf).clamp(0, 1)

    def after_step(self) -> None:
        """Moves the perturbation along the gradient that the training pass left."""
        if self.leaf is None or self.leaf.grad is None or self.delta is None:
            return
        moved = (self.leaf.detach() + self.step * self.leaf.grad.sign()).clamp(-self.eps, self.eps)
        self.delta = torch.cat([moved, self.delta[len(moved) :].to(moved.device)])
        self.leaf = None

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {} if self.delta is None else {"delta": self.delta}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """From the checkpoint."""
        self.delta = state_dict.get("delta")
