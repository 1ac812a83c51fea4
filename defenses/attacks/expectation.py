"""Expectation over the model's randomness (EOT; Athalye et al. 2018, arXiv 1707.07397), and care for the model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import magnitude
from stormbench.defenses.attacks.losses import Loss, margin
from stormbench.defenses.base import random_parts, reseed, votes
from stormbench.errors import ModelError


@dataclass(frozen=True)
class Expected:
    """Means over so many draws of the model.

    Attributes:
        loss: the attacker's loss, ``(N,)``.
        margin: best wrong logit less the right one, ``(N,)``.
        gradient: of the loss with respect to the images, ``(N, 3, H, W)``.
    """

    loss: Tensor
    margin: Tensor
    gradient: Tensor


def expected_gradient(
    model: nn.Module, images: Tensor, labels: Tensor, loss: Loss, *, draws: int, targets: Tensor | None = None
) -> Expected:
    """The mean gradient of the loss over ``draws`` passes, one backward pass each; 0 where it is no finite number.

    Raises:
        ModelError: the logits are not finite, or have no gradient.
    """
    images = images.detach().requires_grad_()
    losses, margins, gradients = (torch.zeros((), device=images.device) for _ in range(3))
    for _ in range(draws):
        logits, value, gradient = _one_draw(model, images, labels, loss, targets)
        gradients = gradients + gradient.nan_to_num(0, 0, 0) / draws
        losses = losses + value / draws
        margins = margins + margin(logits, labels) / draws
    return Expected(losses, margins, gradients)


def gradient_sizes(
    model: nn.Module, images: Tensor, labels: Tensor, loss: Loss, *, draws: int
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The largest entry of each image's gradient over some draws, and whether all its entries are finite, ``(N,)``."""
    images = images.detach().requires_grad_()
    found = torch.stack([_one_draw(model, images, labels, loss, None)[2].flatten(1) for _ in range(draws)])
    largest = found.abs().nan_to_num(0, 0, 0).amax(dim=(0, 2))
    return largest.cpu().numpy(), found.isfinite().all(dim=2).all(dim=0).cpu().numpy()


@torch.enable_grad()
def _one_draw(
    model: nn.Module, images: Tensor, labels: Tensor, loss: Loss, targets: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, loss, and its gradient as the model gives it."""
    answer = checked_logits(model, images)
    logits = full_precision(answer.detach()).requires_grad_()
    value = loss(logits, labels, targets)
    return logits.detach(), value.detach(), _backwards(answer, logits, value, images)


def refuse_without_gradient(logits: Tensor) -> None:
    """Refuses logits that no gradient can be taken of.

    Raises:
        ModelError: so it is.
    """
    if not logits.requires_grad:
        raise ModelError(
            "the model's logits have no gradient (it detaches them, or computes them under no_grad or outside torch); "
            "only square and noise can attack it"
        )


def _backwards(answer: Tensor, logits: Tensor, value: Tensor, images: Tensor) -> Tensor:
    """The gradient of ``value`` with respect to ``images``.

    The slope at the logits is brought near 1 image by image for the way back through the model: the cross-entropy of a
    confident answer has a slope of 1e-9, which half precision would round to nothing.
    """
    refuse_without_gradient(answer)
    (slope,) = torch.autograd.grad(value.sum(), logits)
    scale = magnitude(slope)
    (gradient,) = torch.autograd.grad(answer, images, (slope / scale).to(answer.dtype))
    return gradient * scale.view(-1, 1, 1, 1)


@torch.no_grad()
def expected_margin(model: nn.Module, images: Tensor, labels: Tensor, *, draws: int) -> Tensor:
    """The mean margin of each image over fresh draws, ``(N,)``: the higher, the closer to a mistake."""
    passes = [margin(finite_logits(model, images), labels) for _ in range(draws)]
    return torch.stack(passes).mean(dim=0)


@torch.no_grad()
def worst(model: nn.Module, candidates: list[Tensor], labels: Tensor, *, draws: int) -> Tensor:
    """For each image, the candidate ``(N, 3, H, W)`` with the highest mean margin over fresh draws."""
    if len(candidates) == 1:
        return candidates[0]
    margins = torch.stack([expected_margin(model, each, labels, draws=draws) for each in candidates])
    return torch.stack(candidates)[margins.argmax(dim=0), torch.arange(len(labels), device=labels.device)]


def finite_logits(model: nn.Module, images: Tensor) -> Tensor:
    """The model's logits ``(N, K)``, in float32 at least.

    Raises:
        ModelError: they are not finite, or not of this shape.
    """
    return full_precision(checked_logits(model, images))


def full_precision(logits: Tensor) -> Tensor:
    """Logits in float32 where the model gives float16 or bfloat16, so that losses and margins keep their digits."""
    return logits.float() if logits.element_size() < 4 else logits


def checked_logits(model: nn.Module, images: Tensor) -> Tensor:
    """The model's logits ``(N, K)``, of its own type.

    Raises:
        ModelError: they are not finite, or not of this shape.
    """
    logits = model(images)
    if not isinstance(logits, Tensor):
        raise ModelError(f"the model gives {type(logits).__name__}; expected a tensor of logits (N, K)")
    if logits.ndim != 2 or len(logits) != len(images) or not logits.is_floating_point():
        kind = f"{logits.dtype} of shape {tuple(logits.shape)}"
        raise ModelError(f"the model gives {kind} for {len(images)} images; expected float logits (N, K)")
    if not logits.isfinite().all():
        raise ModelError("the model's logits hold NaN or infinity; an attack cannot follow them")
    return logits


def has_gradient(model: nn.Module, images: Tensor) -> bool:
    """Whether the logits of images can be followed back to them."""
    with undisturbed(model, 0), torch.enable_grad():
        return finite_logits(model, images.detach().requires_grad_()).requires_grad


def varies(model: nn.Module, images: Tensor) -> bool:
    """Whether two passes in the present state differ by more than rounding, which some GPU kernels do not repeat."""
    return not torch.allclose(finite_logits(model, images), finite_logits(model, images), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def repeats(model: nn.Module, images: Tensor) -> bool:
    """Whether the model answers alike each time: it holds no random defense but fixed ones, and two passes agree."""
    drawing = any(not part.randomness.is_fixed for part in random_parts(model))
    return not drawing and not varies(model, images[:1])


@contextmanager
def undisturbed(model: nn.Module, seed: int, *, single_draw: bool = True) -> Iterator[None]:
    """Evaluation mode, no gradients for weights, randomness from ``seed``; afterwards everything is as it was.

    Args:
        model: the model; its mode, its weights' gradients, its defenses' and torch's own random states are restored.
        seed: for its defenses, and for torch's global generator in case that the model draws from it.
        single_draw: let defenses that vote draw once per pass: an attacker averages over the draws himself.
    """
    modes = [(module, module.training) for module in model.modules()]
    wanted = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    states = [(part.randomness.generator, part.randomness.generator.get_state()) for part in random_parts(model)]
    model.eval()
    model.requires_grad_(False)
    try:
        with torch.random.fork_rng(), votes(model, 1) if single_draw else votes_unchanged():
            torch.manual_seed(seed)
            reseed(model, seed)
            yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, requires in wanted:
            parameter.requires_grad_(requires)
        for generator, state in states:
            generator.set_state(state)


@contextmanager
def votes_unchanged() -> Iterator[None]:
    """The model's own rule of decision."""
    yield
