"""The loss of OAT, and the adversarial images that it is computed on."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from stormbench.defenses.oat.model import ConditionalModel
from stormbench.defenses.oat.recipe import Recipe
from stormbench.defenses.oat.sampling import sample_lambdas
from stormbench.defenses.training.batch import Batch, Outcome
from stormbench.defenses.training.contracts import Objective
from stormbench.defenses.training.inners.pgd import ascend, in_mode
from stormbench.defenses.training.spaces.pixel import Pixel

LAMBDAS = "lambdas"


@dataclass(frozen=True)
class Lambdas:
    """The view that gives each image of a batch its lambda, as ``batch.views["lambdas"]`` of shape ``(B,)``.

    Attributes:
        lambdas: the set.
        zero_share: see ``sample_lambdas``.
    """

    lambdas: Sequence[float]
    zero_share: float | None = None

    def __call__(self, batch: Batch, generator: torch.Generator) -> None:
        """See ``View``."""
        drawn = sample_lambdas(len(batch.images), self.lambdas, generator, zero_share=self.zero_share)
        batch.views[LAMBDAS] = drawn.to(batch.images.device)


def mixed_loss(clean: Tensor, adversarial: Tensor, lambdas: Tensor) -> Tensor:
    """``mean_i[(1 - lambda_i) clean_i + lambda_i adversarial_i]`` of losses ``(B,)`` (arXiv 2010.11828).

    Example:
        >>> mixed_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 6.0]), torch.tensor([0.0, 0.25]))
        tensor(2.)
    """
    return ((1 - lambdas) * clean + lambdas * adversarial).mean()


class ConditionalObjective(Objective):
    """A batch's loss: for each width the mixed loss, on attacks that were made with that width.

    That the attacks are made anew for each width is our choice: no training script of OATS was published, and only so
    is every sub-network trained against its own adversary.

    Args:
        model: is trained.
        recipe: radius and steps of the attack.
    """

    model: ConditionalModel

    def __init__(self, model: ConditionalModel, recipe: Recipe) -> None:
        super().__init__(model)
        self.recipe = recipe

    def forward(self, batch: Batch, generator: torch.Generator) -> Outcome:
        """The sum of all widths' losses, the widest first; ``generator``, on the CPU, starts the attacks."""
        outcomes = [self.at_width(width, batch, generator) for width in reversed(self.model.spec.widths)]
        total = torch.stack([outcome.loss for outcome in outcomes]).sum()
        return outcomes[0]._replace(loss=total)

    def at_width(self, width: float, batch: Batch, generator: torch.Generator) -> Outcome:
        """The mixed loss at one width; only images with a positive lambda are attacked."""
        labels, lambdas = batch.labels, batch.views[LAMBDAS]
        logits = self.model(batch.images, lambdas, width)
        clean = functional.cross_entropy(logits, labels, reduction="none")
        attacked = lambdas > 0
        adversarial, robust_right = torch.zeros_like(clean), 0
        if attacked.any():
            part = batch.chosen(attacked)
            moved = training_attack(self.model, part, self.recipe, generator, width=width)
            against = self.model(moved, part.views[LAMBDAS], width)
            losses = functional.cross_entropy(against, part.labels, reduction="none")
            adversarial = adversarial.index_put((attacked,), losses)
            robust_right = int((against.argmax(dim=1) == part.labels).sum())
        loss = mixed_loss(clean, adversarial, lambdas)
        return Outcome(loss, int((logits.argmax(dim=1) == labels).sum()), robust_right, int(attacked.sum()))


def training_attack(
    model: ConditionalModel, batch: Batch, recipe: Recipe, generator: torch.Generator, *, width: float = 1.0
) -> Tensor:
    """PGD as networks are trained with it (Madry 2018, arXiv 1706.06083): the last point, whatever became of it.

    The model is in evaluation mode meanwhile, and knows each image's lambda.

    Returns:
        ``(N, 3, H, W)`` in the ball and in [0, 1].
    """
    space, lambdas = Pixel(eps=recipe.eps), batch.views[LAMBDAS]
    start = space.start(batch, generator, "uniform")
    with in_mode(model, "eval"):
        return ascend(
            lambda images: model(images, lambdas, width),
            space,
            batch,
            start,
            lambda logits: functional.cross_entropy(logits, batch.labels, reduction="none"),
            steps=recipe.attack_steps,
            size=recipe.attack_step,
        )
