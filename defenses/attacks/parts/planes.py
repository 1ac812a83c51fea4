"""A model as a linear function: the boundaries between classes as planes, and the way to a plane inside the pixels."""

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import NormName, magnitude
from stormbench.defenses.attacks.expectation import finite_logits, refuse_without_gradient


def linearised(
    model: nn.Module, x: Tensor, labels: Tensor, others: Tensor | int, *, draws: int
) -> tuple[Tensor, Tensor]:
    """Each other class's lead over the right one, and its gradient.

    Args:
        model: what is linearised.
        x: where, ``(N, 3, H, W)``.
        labels: ``(N,)``.
        others: classes, ``(N, k)``; a number stands for so many of the likeliest wrong ones.
        draws: over how many draws the logits are averaged.

    Returns:
        ``z_k - z_y``, ``(N, k)``, and its gradients, ``(N, k, 3 * H * W)``, 0 where they are no finite number.

    Raises:
        ModelError: the logits are not finite, or have no gradient.
    """
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        logits = torch.stack([finite_logits(model, x) for _ in range(draws)]).mean(dim=0)
        refuse_without_gradient(logits)
        if isinstance(others, int):
            others = likeliest(logits.detach(), labels, others)
        gaps = logits.gather(1, others) - logits.gather(1, labels[:, None])
        slopes = [torch.autograd.grad(gap.sum(), x, retain_graph=True)[0].flatten(1) for gap in gaps.unbind(dim=1)]
    return gaps.detach(), torch.stack(slopes, dim=1).nan_to_num(0, 0, 0)


def likeliest(logits: Tensor, labels: Tensor, count: int) -> Tensor:
    """The likeliest wrong classes, ``(N, k)``, at most ``count`` of them."""
    wrong = logits.scatter(1, labels[:, None], -torch.inf)
    return wrong.topk(min(count, logits.shape[1] - 1), dim=1).indices


def to_plane(points: Tensor, normal: Tensor, value: Tensor, norm: NormName) -> Tensor:
    """The shortest change that brings a linear function to 0 and stays in [0, 1] (Croce and Hein 2020, 1907.02044).

    A coordinate moves by ``min(t * speed, room)`` for one ``t``, at speed 1 (linf) or in proportion to its slope (l2).
    What is gained grows piecewise linearly with ``t``: sorting the coordinates by when they meet the border finds it.

    Args:
        points: ``(N, D)`` in [0, 1].
        normal: slope of the function, ``(N, D)``.
        value: of the function at the points, ``(N,)``.
        norm: in which the change is shortest.

    Returns:
        The change, ``(N, D)``; where no point of [0, 1] is on the plane, the change that comes nearest to it.
    """
    scale = magnitude(normal)
    normal, value = normal / scale, value / scale.squeeze(1)
    direction = -normal.sign() * value.sign()[:, None]
    room = torch.where(direction > 0, 1 - points, points)
    slope = normal.abs()
    speed = slope if norm == "l2" else torch.ones_like(slope)
    reach = torch.where(slope > 0, room / speed, torch.inf)
    time = _time(reach, slope * room, slope * speed, value.abs())
    return direction * torch.minimum(time[:, None] * speed, room)


def _time(reach: Tensor, full: Tensor, rate: Tensor, wanted: Tensor) -> Tensor:
    """When the gain ``sum_i min(t * rate_i, full_i)`` is as wanted, ``(N,)``; ``t`` of the last border if never."""
    reach, order = reach.sort(dim=1)
    full, rate = full.gather(1, order), rate.gather(1, order)
    saturated = full.cumsum(dim=1)
    moving = rate.flip(1).cumsum(dim=1).flip(1)  # of the coordinates that have not met the border before the k-th
    before = saturated - full
    at_border = before + torch.where(moving > 0, reach * moving, 0)
    at = torch.searchsorted(at_border.cummax(dim=1).values, wanted[:, None]).clamp_max(reach.shape[1] - 1)
    gained, moving = before.gather(1, at).squeeze(1), moving.gather(1, at).squeeze(1)
    last = torch.where(reach.isfinite(), reach, 0).amax(dim=1)
    return torch.where(moving > 0, (wanted - gained) / moving, last).clamp(min=0).minimum(last)
