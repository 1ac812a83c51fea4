"""Square attack: random search that needs no gradient, and so cannot be fooled by masked ones."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.expectation import expected_margin
from stormbench.errors import InputError

# The share of pixels that a square covers is halved at these shares of all queries (the paper's schedule for 10,000).
_HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True, kw_only=True)
class Square:
    """Square attack in linf (Andriushchenko et al. 2020, arXiv 1912.00049).

    It starts from vertical stripes of ``+eps`` and ``-eps``; every query paints one square, each channel in ``+eps`` or
    ``-eps``, and keeps it where the margin grew. For a random model the margin is a mean over draws, and the search
    does not stop at the first success, which may be luck.

    Attributes:
        queries: number of squares tried.
        share: of the image that the first squares cover, 0 to 1.
        draws: draws per query.
    """

    queries: int = 1000
    share: float = 0.3
    draws: int = 1

    def __post_init__(self) -> None:
        if min(self.queries, self.draws) < 1 or not 0 < self.share <= 1:
            raise InputError("queries and draws are at least 1, share is above 0 and at most 1")

    @property
    def gradients(self) -> int:
        """Forward passes per image."""
        return (self.queries + 1) * self.draws

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, ball: Ball, generator: torch.Generator
    ) -> Tensor:
        """See ``Attack``.

        Raises:
            InputError: the ball is not linf.
        """
        if ball.norm != "linf":
            raise InputError(f"the square attack is for linf, not {ball.norm}")
        n, channels, height, width = images.shape
        stripes = self._signs(generator, (n, channels, 1, width)).to(images)
        x = ball.project(images + ball.eps * stripes, images)
        margin = expected_margin(model, x, labels, draws=self.draws)
        for query in range(self.queries):
            side = max(1, min(height, width, round((self._share_at(query) * height * width) ** 0.5)))
            inside = self._squares(generator, images, side)
            painted = images + ball.eps * self._signs(generator, (n, channels, 1, 1)).to(images)
            tried = ball.project(torch.where(inside, painted, x), images)
            value = expected_margin(model, tried, labels, draws=self.draws)
            better = value > margin
            x, margin = torch.where(better.view(-1, 1, 1, 1), tried, x), margin.maximum(value)
        return x

    def _share_at(self, query: int) -> float:
        halved = sum(query > when * self.queries for when in _HALVINGS)
        return self.share / 2.0**halved

    def _squares(self, generator: torch.Generator, images: Tensor, side: int) -> Tensor:
        """One square of this side at a random place for each image, as a mask ``(N, 1, H, W)``."""
        n, _, height, width = images.shape
        top = torch.randint(height - side + 1, (n, 1, 1, 1), generator=generator)
        left = torch.randint(width - side + 1, (n, 1, 1, 1), generator=generator)
        rows, columns = torch.arange(height).view(1, 1, -1, 1), torch.arange(width).view(1, 1, 1, -1)
        inside = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
        return inside.to(images.device)

    def _signs(self, generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
        return torch.randint(0, 2, shape, generator=generator) * 2 - 1
