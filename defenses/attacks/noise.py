"""Random noise: the attack that a defense must withstand, and that any real attack must beat."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.expectation import worst
from stormbench.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The worst of some random points on the ball's edge (signs for ``linf``, directions for ``l2``).

    Attributes:
        tries: how many points.
        draws: draws by which they are compared.
    """

    tries: int = 10
    draws: int = 1

    def __post_init__(self) -> None:
        if min(self.tries, self.draws) < 1:
            raise InputError("tries and draws are at least 1")

    @property
    def gradients(self) -> int:
        """Forward passes per image."""
        return self.tries * self.draws

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, ball: Ball, generator: torch.Generator
    ) -> Tensor:
        """See ``Attack``."""
        return worst(model, [ball.edge(images, generator) for _ in range(self.tries)], labels, draws=self.draws)
