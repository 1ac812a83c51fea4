"""Total-variation minimisation."""

import torch
from torch import Tensor, nn

from stormbench.defenses.base import RandomDefense, straight_through
from stormbench.errors import InputError

_STEP = 0.25  # the largest at which Chambolle's iteration is known to converge in practice


class TVM(RandomDefense):
    """Drops random pixels and fills them in with the least total variation (Guo et al. 2018, arXiv 1711.00117).

    ``min_z |mask (z - x)|^2 / 2 + weight * TV(z)`` by proximal gradient steps ``z <- prox(z + mask (x - z))``; the
    proximal map is Chambolle's (2004). A batch is solved at once, which scikit-image's solver cannot. Attackers get
    BPDA's identity.

    Args:
        model: see :class:`~stormbench.defenses.base.Defense`.
        keep: share of pixels that is kept, above 0 and at most 1.
        weight: of the total variation.
        steps: proximal steps.
        draws: how many draws vote.
        seed: seed of the randomness.

    Raises:
        InputError: a number is out of range.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        keep: float = 0.5,
        weight: float = 0.03,
        steps: int = 10,
        draws: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(model, draws=draws, seed=seed)
        if not 0 < keep <= 1 or weight <= 0 or steps < 1:
            raise InputError(f"keep {keep} is in 0..1, weight {weight} above 0, steps {steps} at least 1")
        self.keep = keep
        self.weight = weight
        self.steps = steps

    def transform(self, images: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to the same shape."""
        kept = self.randomness.uniform(images, 1, *images.shape[2:]) < self.keep
        return straight_through(self._filled(images.detach(), kept), images)

    @torch.no_grad()
    def _filled(self, images: Tensor, kept: Tensor) -> Tensor:
        z = torch.where(kept, images, (images * kept).sum((2, 3), True) / kept.sum((2, 3), True).clamp_min(1))
        for _ in range(self.steps):
            z = least_variation(torch.where(kept, images, z), self.weight)
        return z.clamp(0, 1)


def least_variation(images: Tensor, weight: float, iterations: int = 10) -> Tensor:
    """``argmin_z |z - x|^2 / 2 + weight * TV(z)``, isotropic, all channels by themselves (Chambolle 2004).

    Args:
        images: ``(N, C, H, W)``.
        weight: of the total variation.
        iterations: of the dual projection.
    """
    dual = images.new_zeros((2, *images.shape))
    for _ in range(iterations):
        slope = _gradient(_divergence(dual) - images / weight)
        dual = (dual + _STEP * slope) / (1 + _STEP * slope.norm(dim=0))
    return images - weight * _divergence(dual)


def _gradient(u: Tensor) -> Tensor:
    """Forward differences down and to the right, ``(2, N, C, H, W)``; zero at the border."""
    down, right = torch.zeros_like(u), torch.zeros_like(u)
    down[..., :-1, :] = u[..., 1:, :] - u[..., :-1, :]
    right[..., :-1] = u[..., 1:] - u[..., :-1]
    return torch.stack([down, right])


def _divergence(p: Tensor) -> Tensor:
    """The negative adjoint of the gradient."""
    down, right = p[0].clone(), p[1].clone()
    down[..., 1:, :] -= p[0][..., :-1, :]
    right[..., 1:] -= p[1][..., :-1]
    return down + right
