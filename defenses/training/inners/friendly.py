"""Friendly adversarial training: the attack on an image stops soon after it succeeds (Zhang 2020, arXiv 2002.11242)."""

from bisect import bisect_right
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.losses import cross_entropy
from stormbench.defenses.training.batch import Batch
from stormbench.defenses.training.contracts import Differentiable, Space
from stormbench.defenses.training.inners.pgd import StartName, in_mode
from stormbench.defenses.training.optimisers import shares
from stormbench.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Friendly:
    """PGD in which an image goes no further once it has been misclassified ``tau + 1`` times.

    Images keep their place in the batch (the source re-orders them), so that paired losses can be used too. Only images
    that still move are passed through the model.

    Attributes:
        steps: largest number of steps.
        step: length of a step, for pixels in [0, 1].
        start: where it starts.
        tau: how many further steps a misclassified image takes, one number for each part of the training: ``0+1+2``.
        at: shares of the training at which the next number begins: ``5/12`` written ``0.4167``.

    Raises:
        InputError: a setting is out of range.
    """

    steps: int = 10
    step: float = 0.007
    start: StartName = "uniform"
    tau: str = "0+1+2"
    at: str = "0.4167+0.75"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.step <= 0:
            raise InputError(f"an attack has at least 1 step of positive length, not {self.steps} of {self.step:g}")
        if not all(part.isdigit() for part in self.tau.split("+")):
            raise InputError(f"tau is a list of whole numbers such as 0+1+2, not {self.tau!r}")
        if len(self.tau.split("+")) != len(self._at()) + 1:
            raise InputError(f"tau {self.tau!r} needs one share of the training less than numbers, not {self.at!r}")

    def _at(self) -> tuple[float, ...]:
        return shares(self.at) if self.at else ()

    @property
    def passes(self) -> float:
        """Passes per image at most; images that stop early cost less."""
        return float(self.steps)

    def tau_at(self, share: float) -> int:
        """Further steps when this share of the training is done."""
        return int(self.tau.split("+")[bisect_right(self._at(), share)])

    def __call__(self, model: nn.Module, space: Space, batch: Batch, generator: torch.Generator) -> Tensor:
        """See ``Inner``.

        Raises:
            InputError: the space has no gradients.
        """
        if not isinstance(space, Differentiable):
            raise InputError(f"{space} can be drawn from, not ascended; use inner = draw")
        v = space.start(batch, generator, self.start).detach()
        left = torch.full((len(v),), self.tau_at(batch.share), device=v.device)
        moving = torch.arange(len(v), device=v.device)
        with in_mode(model, "eval"):
            for _ in range(self.steps):
                moving, left = self._advance(model, space, batch, v, moving, left)
                if not len(moving):
                    break
        return space.apply(batch, v).detach()

    def _advance(
        self, model: nn.Module, space: Differentiable, batch: Batch, v: Tensor, moving: Tensor, left: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One step of the images that still move; changes ``v`` in place."""
        part = batch.chosen(moving)
        here = v[moving].requires_grad_()
        with torch.enable_grad():
            logits = model(space.apply(part, here))
            (gradient,) = torch.autograd.grad(cross_entropy(logits, part.labels).sum(), here)
        wrong = logits.detach().argmax(dim=1) != part.labels
        goes_on = ~wrong | (left > 0)
        stepped = space.step(here.detach(), gradient, self.step, part)
        v[moving[goes_on]] = stepped[goes_on]
        return moving[goes_on], (left - wrong.long())[goes_on]
