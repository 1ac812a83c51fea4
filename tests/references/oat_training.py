"""OAT's training written out in one function, as released in 0.x: what the general loop is held against, bit for bit.

One device, 32 bits, no checkpoint. Shares the networks and the sampling of lambdas with the package, nothing else.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from stormbench.defenses.oat.model import ConditionalModel
from stormbench.defenses.oat.recipe import Recipe
from stormbench.defenses.oat.sampling import sample_lambdas


def train_literally(
    model: ConditionalModel, load: Callable[[Tensor], tuple[Tensor, Tensor]], count: int, recipe: Recipe
) -> list[float]:
    """Trains in place; returns the loss of every step."""
    optimiser = torch.optim.SGD(
        model.parameters(), lr=recipe.rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    losses = []
    for epoch in range(recipe.epochs):
        own = (recipe.seed * 1_000_003 + epoch) * 1_000_003 % 2**63
        order, draws = torch.Generator().manual_seed(own), torch.Generator().manual_seed(own + 1)
        torch.manual_seed(own + 1)
        model.train()
        batches = torch.randperm(count, generator=order).split(recipe.batch_size)
        batches = batches[:-1] if len(batches[-1]) < 2 else batches
        for step, indices in enumerate(batches):
            share = (epoch + step / len(batches)) / recipe.epochs
            optimiser.param_groups[0]["lr"] = _rate(recipe, share)
            images, labels = load(indices)
            if recipe.augment:
                images = _crop_and_mirror(images, draws)
            lambdas = sample_lambdas(len(images), model.spec.lambdas, draws, zero_share=recipe.zero_share)
            widths = reversed(model.spec.widths)
            loss = torch.stack([_loss(model, images, labels, lambdas, recipe, draws, w) for w in widths]).sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(loss.item())
    model.eval()
    return losses


def _rate(recipe: Recipe, share: float) -> float:
    if recipe.schedule == "cosine":
        return recipe.rate * (1 + math.cos(math.pi * share)) / 2
    return recipe.rate * 0.1 ** ((share >= 0.25) + (share >= 0.75))


def _crop_and_mirror(images: Tensor, draws: torch.Generator) -> Tensor:
    count, _, height, width = images.shape
    offsets = torch.randint(9, (2, count, 1), generator=draws)[:, :, 0]
    mirrored = torch.rand(count, 1, generator=draws)[:, 0] < 0.5
    padded = functional.pad(images, (4, 4, 4, 4))
    result = []
    for image, top, left, mirror in zip(padded, *offsets.tolist(), mirrored.tolist(), strict=True):
        crop = image[:, top : top + height, left : left + width]
        result.append(crop.flip(2) if mirror else crop)
    return torch.stack(result)


def _loss(
    model: ConditionalModel,
    images: Tensor,
    labels: Tensor,
    lambdas: Tensor,
    recipe: Recipe,
    draws: torch.Generator,
    width: float,
) -> Tensor:
    clean = functional.cross_entropy(model(images, lambdas, width), labels, reduction="none")
    adversarial, attacked = torch.zeros_like(clean), lambdas > 0
    if attacked.any():
        x, y, lam = images[attacked], labels[attacked], lambdas[attacked]
        model.eval()
        torch.randn(x.shape, generator=draws)  # the ball of the L2 norm needs it; that of linf draws it all the same
        moved = x + recipe.eps * (2 * torch.rand(x.shape, generator=draws) - 1)
        moved = torch.minimum(torch.maximum(moved, x - recipe.eps), x + recipe.eps).clamp(0, 1)
        step = min(1.25 * recipe.eps, recipe.eps + 4 / 255) / recipe.attack_steps
        for _ in range(recipe.attack_steps):
            moved.requires_grad_()
            total = functional.cross_entropy(model(moved, lam, width), y, reduction="sum")
            (gradient,) = torch.autograd.grad(total, moved)
            moved = moved.detach() + step * gradient.sign()
            moved = torch.minimum(torch.maximum(moved, x - recipe.eps), x + recipe.eps).clamp(0, 1)
        model.train()
        adversarial[attacked] = functional.cross_entropy(model(moved, lam, width), y, reduction="none")
    return ((1 - lambdas) * clean + lambdas * adversarial).mean()
