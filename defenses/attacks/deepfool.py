"""DeepFool: walks to the nearest boundary of the linearised model."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.parts.planes import linearised
from stormbench.errors import InputError

_TINY = 1e-8


@dataclass(frozen=True, kw_only=True)
class DeepFool:
    """DeepFool (Moosavi-Dezfooli et al. 2016, arXiv 1511.04599), in the norm of the ball.

    With ``w_k = grad (z_k - z_y)`` and ``f_k = z_k - z_y``, the nearest of the linearised boundaries is that of least
    ``|f_k| / |w_k|_dual``, and the step goes just beyond it: in l2 along ``w_k |f_k| / |w_k|_2^2``, in linf along
    ``sign(w_k) |f_k| / |w_k|_1``. The way ends where the model errs; what leaves the ball is cut off.

    Attributes:
        steps: the most steps.
        candidates: how many of the likeliest wrong classes are looked at.
        overshoot: by which share the last change is enlarged.
        draws: draws over which logits and gradients are averaged.
    """

    steps: int = 50
    candidates: int = 9
    overshoot: float = 0.02
    draws: int = 1

    def __post_init__(self) -> None:
        if min(self.steps, self.candidates, self.draws) < 1 or self.overshoot < 0:
            raise InputError("steps, candidates and draws are at least 1, overshoot at least 0")

    @property
    def gradients(self) -> int:
        """Backward passes per image: one for each class that is looked at, the right one included."""
        return self.steps * (self.candidates + 1) * self.draws

    def __call__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        ball: Ball,
        generator: torch.Generator,  # noqa: ARG002 - nothing is drawn
    ) -> Tensor:
        """See ``Attack``."""
        x, at = images.clone(), torch.arange(len(images), device=images.device)
        for _ in range(self.steps):
            gaps, slopes = linearised(model, x[at], labels[at], self.candidates, draws=self.draws)
            right = (gaps < 0).all(dim=1)
            at = at[right]
            if not len(at):
                break
            step = self._to_nearest_boundary(gaps[right], slopes[right], ball).view_as(x[at])
            x[at] = (x[at] + step).clamp(0, 1)
        return ball.project(images + (1 + self.overshoot) * (x - images), images)

    def _to_nearest_boundary(self, gaps: Tensor, slopes: Tensor, ball: Ball) -> Tensor:
        dual = slopes.norm(p=1 if ball.norm == "linf" else 2, dim=2).clamp_min(_TINY)
        distance, nearest = (gaps.abs() / dual).min(dim=1)
        slope = slopes[torch.arange(len(slopes), device=slopes.device), nearest]
        length: Tensor = torch.linalg.vector_norm(slope, dim=1, keepdim=True).clamp_min(_TINY)
        unit: Tensor = slope.sign() if ball.norm == "linf" else slope / length
        step: Tensor = (distance[:, None] + _TINY) * unit
        return step
