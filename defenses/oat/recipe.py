"""How a conditional network is trained: the published defaults in one table."""

from dataclasses import dataclass
from math import cos, pi
from typing import Literal

from stormbench.errors import InputError

Schedule = Literal["cosine", "steps"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """OAT's training, as published for CIFAR-10 (arXiv 2010.11828 and its code).

    Attributes:
        epochs: passes over the images.
        batch_size: images per step, B.
        rate: SGD's first learning rate.
        momentum: of SGD.
        weight_decay: of SGD, on all weights.
        schedule: ``cosine`` falls to 0 with every step; ``steps`` divides by 10 at 1/4 and 3/4 of the epochs.
        eps: the attacker's radius in linf, for pixels in [0, 1].
        attack_steps: of PGD.
        zero_share: share of a batch with lambda 0; None gives every lambda of the set the same share.
        augment: crop with 4 pixels of zero padding, and mirror.
        seed: of the order, the lambdas, the augmentation, the attacks' starts, and dropout.

    Raises:
        InputError: a number is out of range.
    """

    epochs: int = 200
    batch_size: int = 128
    rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Schedule = "cosine"
    eps: float = 8 / 255
    attack_steps: int = 7
    zero_share: float | None = None
    augment: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.attack_steps) < 1 or self.batch_size < 2:
            raise InputError("there is at least 1 epoch, 1 step of the attack, and 2 images in a batch")
        if min(self.rate, self.eps) <= 0 or min(self.momentum, self.weight_decay) < 0:
            raise InputError("the learning rate and eps are positive, momentum and weight decay not negative")
        if self.schedule not in ("cosine", "steps"):
            raise InputError(f"the schedule is cosine or steps, not {self.schedule!r}")

    @property
    def attack_step(self) -> float:
        """Length of a step: ``min(1.25 eps, eps + 4/255) / steps``, which is 1.43/255 for 7 steps at 8/255."""
        return min(1.25 * self.eps, self.eps + 4 / 255) / self.attack_steps

    def rate_at(self, share: float) -> float:
        """The learning rate when this share (0..1) of the training is done.

        Example:
            >>> [round(Recipe().rate_at(share), 3) for share in (0, 0.5, 1)]
            [0.1, 0.05, 0.0]
        """
        if self.schedule == "cosine":
            return self.rate * (1 + cos(pi * share)) / 2
        return self.rate * 0.1 ** ((share >= 0.25) + (share >= 0.75))
