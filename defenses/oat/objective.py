"""The loss of OAT, and the adversarial images that it is computed on."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.oat.model import ConditionalModel
from stormbench.defenses.oat.recipe import Recipe


class Batch:
    """What a step of training is made of.

    It is no dataclass and no tuple on purpose: Lightning Fabric would find the tensors in one and round pixels and
    lambdas to half precision, and the attack would leave its ball.

    Attributes:
        images: ``(B, 3, H, W)`` in [0, 1].
        labels: ``(B,)``.
        lambdas: ``(B,)``.
    """

    def __init__(self, images: Tensor, labels: Tensor, lambdas: Tensor) -> None:
        self.images, self.labels, self.lambdas = images, labels, lambdas


class Outcome(NamedTuple):
    """What a step of training came to.

    Attributes:
        loss: what is minimised, a scalar.
        clean_right: undisturbed images that were classified right, at full width.
        robust_right: attacked images that were, at full width.
        attacked: how many were attacked.
    """

    loss: Tensor
    clean_right: int
    robust_right: int
    attacked: int


def mixed_loss(clean: Tensor, adversarial: Tensor, lambdas: Tensor) -> Tensor:
    """``mean_i[(1 - lambda_i) clean_i + lambda_i adversarial_i]`` of losses ``(B,)`` (arXiv 2010.11828).

    Example:
        >>> mixed_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 6.0]), torch.tensor([0.0, 0.25]))
        tensor(2.)
    """
    return ((1 - lambdas) * clean + lambdas * adversarial).mean()


class Objective(nn.Module):
    """A batch's loss: for each width the mixed loss, on attacks that were made with that width.

    That the attacks are made anew for each width is our choice: no training script of OATS was published, and only so
    is every sub-network trained against its own adversary.

    Args:
        model: is trained.
        recipe: radius and steps of the attack.
    """

    def __init__(self, model: ConditionalModel, recipe: Recipe) -> None:
        super().__init__()
        self.model, self.recipe = model, recipe

    def forward(self, batch: Batch, generator: torch.Generator) -> Outcome:
        """The sum of all widths' losses, the widest first; ``generator``, on the CPU, starts the attacks."""
        outcomes = [self.at_width(width, batch, generator) for width in reversed(self.model.spec.widths)]
        widest = outcomes[0]
        total = torch.stack([outcome.loss for outcome in outcomes]).sum()
        return Outcome(total, widest.clean_right, widest.robust_right, widest.attacked)

    def at_width(self, width: float, batch: Batch, generator: torch.Generator) -> Outcome:
        """The mixed loss at one width; only images with a positive lambda are attacked."""
        images, labels, lambdas = batch.images, batch.labels, batch.lambdas
        logits = self.model(images, lambdas, width)
        clean = functional.cross_entropy(logits, labels, reduction="none")
        attacked = lambdas > 0
        adversarial, robust_right = torch.zeros_like(clean), 0
        if attacked.any():
            chosen = images[attacked], labels[attacked], lambdas[attacked]
            moved = training_attack(self.model, *chosen, self.recipe, generator, width=width)
            against = self.model(moved, chosen[2], width)
            losses = functional.cross_entropy(against, chosen[1], reduction="none")
            adversarial = adversarial.index_put((attacked,), losses)
            robust_right = int((against.argmax(dim=1) == chosen[1]).sum())
        loss = mixed_loss(clean, adversarial, lambdas)
        return Outcome(loss, int((logits.argmax(dim=1) == labels).sum()), robust_right, int(attacked.sum()))


def training_attack(
    model: ConditionalModel,
    images: Tensor,
    labels: Tensor,
    lambdas: Tensor,
    recipe: Recipe,
    generator: torch.Generator,
    *,
    width: float = 1.0,
) -> Tensor:
    """PGD as networks are trained with it (Madry 2018, arXiv 1706.06083): the last point, whatever became of it.

    The model is in evaluation mode meanwhile, and knows each image's lambda.

    Returns:
        ``(N, 3, H, W)`` in the ball and in [0, 1].
    """
    ball = Ball("linf", recipe.eps)
    training = model.training
    model.eval()
    moved = ball.random(images, generator)
    for _ in range(recipe.attack_steps):
        moved.requires_grad_()
        with torch.enable_grad():
            loss = functional.cross_entropy(model(moved, lambdas, width), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
        moved = ball.project(moved.detach() + recipe.attack_step * ball.steepest(gradient), images)
    model.train(training)
    return moved
