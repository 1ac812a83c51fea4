"""Carlini and Wagner's L2 attack: the smallest change that makes the model err."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.expectation import finite_logits, refuse_without_gradient
from stormbench.defenses.attacks.losses import margin
from stormbench.errors import InputError

_INSIDE = 1 - 1e-6  # arctanh of the outermost pixels must be finite


@dataclass(frozen=True, kw_only=True)
class CarliniWagner:
    """Minimises ``|x' - x|_2^2 + c * max(z_y - max_{j != y} z_j, -confidence)`` (Carlini 2017, arXiv 1608.04644).

    ``x' = (tanh(w) + 1) / 2`` keeps pixels in [0, 1], Adam moves ``w``, and ``c`` is found by bisection for each image.
    The smallest change that the model errs on is returned, cut off at the ball; where none was found, the last try.

    Attributes:
        steps: Adam steps for each ``c``.
        searches: how many values of ``c``.
        rate: Adam's learning rate.
        first_c: the first ``c``.
        confidence: by how much the wrong logit should win.
        draws: draws over which the logits are averaged.
    """

    steps: int = 100
    searches: int = 5
    rate: float = 0.01
    first_c: float = 1.0
    confidence: float = 0.0
    draws: int = 1

    def __post_init__(self) -> None:
        if min(self.steps, self.searches, self.draws) < 1 or min(self.rate, self.first_c) <= 0 or self.confidence < 0:
            raise InputError(
                "steps, searches and draws are at least 1, rate and first_c positive, confidence not below 0"
            )

    @property
    def gradients(self) -> int:
        """Backward passes per image."""
        return self.steps * self.searches * self.draws

    def __call__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        ball: Ball,
        generator: torch.Generator,  # noqa: ARG002 - nothing is drawn
    ) -> Tensor:
        """See ``Attack``."""
        nearest, shortest = images, torch.full((len(images),), torch.inf, device=images.device)
        low, high = torch.zeros_like(shortest), torch.full_like(shortest, torch.inf)
        c = torch.full_like(shortest, self.first_c)
        last = images
        for _ in range(self.searches):
            last, found, length = self._minimise(model, images, labels, c)
            shorter = length < shortest
            nearest = torch.where(shorter.view(-1, 1, 1, 1), found, nearest)
            shortest = shortest.minimum(length)
            fooled = length.isfinite()
            high, low = torch.where(fooled, c, high), torch.where(fooled, low, c)
            c = torch.where(high.isfinite(), (low + high) / 2, c * 10)
        failed = shortest.isinf().view(-1, 1, 1, 1)
        return ball.project(torch.where(failed, last, nearest), images)

    def _minimise(self, model: nn.Module, images: Tensor, labels: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The last try, the shortest change that fooled the model, and its length (infinite where none did)."""
        w = torch.atanh((2 * images - 1) * _INSIDE).requires_grad_()
        adam = torch.optim.Adam([w], lr=self.rate)
        found, shortest = images, torch.full((len(images),), torch.inf, device=images.device)
        for _ in range(self.steps):
            with torch.enable_grad():
                x = (torch.tanh(w) + 1) / 2
                logits = torch.stack([finite_logits(model, x) for _ in range(self.draws)]).mean(dim=0)
                refuse_without_gradient(logits)
                lead = margin(logits, labels)
                squared = (x - images).square().sum(dim=(1, 2, 3))
                cost = squared + c * (-lead).clamp_min(-self.confidence)
                (w.grad,) = torch.autograd.grad(cost.sum(), w)
            length = torch.where(lead.detach() > self.confidence, squared.detach().sqrt(), torch.inf)
            shorter = (length < shortest).view(-1, 1, 1, 1)
            found, shortest = torch.where(shorter, x.detach(), found), shortest.minimum(length)
            adam.step()
        return x.detach(), found, shortest
