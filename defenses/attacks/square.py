"""Square attack: random search that needs no gradient, and so cannot be fooled by masked ones."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.expectation import expected_margin, repeats
from stormbench.defenses.attacks.parts.active import State, staying
from stormbench.defenses.attacks.parts.squares import MOVES
from stormbench.errors import InputError

# The share of pixels that a square covers is halved at these shares of all queries (the paper's schedule for 10,000).
_HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True, kw_only=True)
class Square:
    """Square attack (Andriushchenko et al. 2020, arXiv 1912.00049).

    In linf it starts from vertical stripes of ``+eps`` and ``-eps``; every query paints one square, each channel in
    ``+eps`` or ``-eps``. In l2 it starts from a grid of patterns; every query moves the length of one window of the
    change into another. What a query changed is kept where the margin grew. For a random model the margin is a mean
    over draws, and the search does not stop at the first success, which may be luck.

    Attributes:
        queries: number of squares tried.
        share: of the image that the first squares cover, 0 to 1.
        draws: draws per query.
        stop: images that a deterministic model gets wrong leave the attack; false makes stronger images, to be carried
            over to another model.

    Raises:
        InputError: a setting is out of range.
    """

    queries: int = 1000
    share: float = 0.3
    draws: int = 1
    stop: bool = True

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
        """See ``Attack``."""
        leave = self.stop and repeats(model, images)
        moves = MOVES[ball.norm]
        x = moves.start(images, ball, generator)
        found = x.clone()
        margin = expected_margin(model, x, labels, draws=self.draws)
        state, at = _State(images, labels, x, margin), torch.arange(len(images), device=images.device)
        for query in range(self.queries):
            if leave and (stay := staying(state.margin)) is not None:
                found[at], at, state = state.x, at[stay], state.take(stay)
                if not len(at):
                    return found
            tried = moves.move(state.x, state.images, self._share_at(query), ball, generator)
            self._keep_better(state, tried, expected_margin(model, tried, state.labels, draws=self.draws))
        found[at] = state.x
        return found

    def _keep_better(self, state: "_State", tried: Tensor, margin: Tensor) -> None:
        state.x = torch.where((margin > state.margin).view(-1, 1, 1, 1), tried, state.x)
        state.margin = state.margin.maximum(margin)

    def _share_at(self, query: int) -> float:
        halved = sum(query > when * self.queries for when in _HALVINGS)
        return self.share / 2.0**halved


@dataclass
class _State(State):
    images: Tensor
    labels: Tensor
    x: Tensor
    margin: Tensor
