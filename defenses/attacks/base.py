"""What all attacks share: the contract, and the one door through which they are run."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.expectation import finite_logits, undisturbed
from stormbench.defenses.base import check_images
from stormbench.errors import InputError, ModelError
from stormbench.randomness import stream


@runtime_checkable
class Attack(Protocol):
    """A frozen dataclass of settings that can be called."""

    @property
    def draws(self) -> int:
        """Over how many draws of a random model each gradient or query is averaged."""

    @property
    def gradients(self) -> int:
        """Backward passes (for a gradient-free attack: forward passes) per image: the budget."""

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, ball: Ball, generator: torch.Generator
    ) -> Tensor:
        """Adversarial images in the ball.

        Args:
            model: in evaluation mode, its weights without gradients.
            images: ``(N, 3, H, W)`` in [0, 1].
            labels: true classes, ``(N,)``.
            ball: how far the attack may go.
            generator: of the attack's own randomness, on the CPU.
        """


def run_attack(
    attack: Attack, model: nn.Module, images: Tensor, labels: Tensor, ball: Ball, *, seed: int = 0
) -> Tensor:
    """Runs an attack and leaves the model as it was: mode, gradients, random states.

    Args:
        attack: what to run.
        model: from ``(N, 3, H, W)`` in [0, 1] to logits ``(N, K)``; may be random.
        images: ``(N, 3, H, W)`` float in [0, 1].
        labels: true classes, ``(N,)``.
        ball: the threat model.
        seed: of the attack's randomness and of the model's during the attack.

    Returns:
        Adversarial images, ``(N, 3, H, W)``, in the ball and in [0, 1].

    Raises:
        InputError: images, labels or radius are not what they should be.
        ModelError: the model gives no finite logits, or fewer classes than the labels name.
    """
    check_images(images)
    ball.check(images)
    if labels.shape != images.shape[:1] or labels.is_floating_point():
        raise InputError(f"{len(images)} images need as many class numbers, not {labels.dtype} {tuple(labels.shape)}")
    if not len(images):
        return images.clone()
    with undisturbed(model, seed):
        check_classes(model, images[:1], labels)
        generator = torch.Generator().manual_seed(subseed(seed, "attack"))
        found = attack(model, images.detach(), labels, ball, generator)
        return ball.project(found.detach(), images)


@torch.no_grad()
def check_classes(model: nn.Module, images: Tensor, labels: Tensor) -> int:
    """How many classes the model has.

    Raises:
        ModelError: labels go beyond them.
    """
    classes = finite_logits(model, images).shape[1]
    if labels.amin() < 0 or labels.amax() >= classes:
        raise ModelError(f"labels go from {labels.amin()} to {labels.amax()}, but the model has {classes} classes")
    return classes


def subseed(seed: int, *names: object) -> int:
    """A seed of its own for each purpose."""
    return int(stream(seed, "adversary", 0, "/".join(map(str, names))).integers(2**62))
