"""Expectation over the model's randomness (EOT; Athalye et al. 2018, arXiv 1707.07397), and care for the model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

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
    """The mean gradient of the loss over ``draws`` passes, one backward pass each.

    Raises:
        ModelError: the logits are not finite.
    """
    images = images.detach().requires_grad_()
    losses, margins, gradients = (torch.zeros((), device=images.device) for _ in range(3))
    for _ in range(draws):
        with torch.enable_grad():
            logits = finite_logits(model, images)
            value = loss(logits, labels, targets)
            gradients = gradients + torch.autograd.grad(value.sum(), images)[0] / draws
        losses = losses + value.detach() / draws
        margins = margins + margin(logits.detach(), labels) / draws
    return Expected(losses, margins, gradients)


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
    """The model's logits ``(N, K)``.

    Raises:
        ModelError: they are not finite, or not of this shape.
    """
    logits: Tensor = model(images)
    if logits.ndim != 2 or len(logits) != len(images):
        raise ModelError(f"the model gives {tuple(logits.shape)} for {len(images)} images; expected logits (N, K)")
    if not logits.isfinite().all():
        raise ModelError("the model's logits hold NaN or infinity; an attack cannot follow them")
    return logits


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
