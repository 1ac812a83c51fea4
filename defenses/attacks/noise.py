"""Random noise: the attack that a defense must withstand, and that any real attack must beat."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.expectation import expected_margin, repeats
from stormbench.defenses.attacks.parts.active import Candidate, strongest
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
        leave = repeats(model, images)

        def one_try(index: Tensor) -> list[Candidate]:
            moved = ball.edge(images[index], generator)
            margin = expected_margin(model, moved, labels[index], draws=1) if leave else torch.empty(0)
            return [Candidate(moved, margin)]

        runs = [one_try] * self.tries
        return strongest(model, images, labels, runs, draws=self.draws, leave=leave)
