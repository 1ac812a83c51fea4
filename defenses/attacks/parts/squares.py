"""The moves of the square attack: stripes and squares for linf, windows that hand on their length for l2."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from stormbench.defenses.attacks.ball import Ball, NormName, lengths

Start = Callable[[Tensor, Ball, torch.Generator], Tensor]
Move = Callable[[Tensor, Tensor, float, Ball, torch.Generator], Tensor]
_TINY = 1e-12


@dataclass(frozen=True)
class Moves:
    """How the search begins, and how it goes on.

    Attributes:
        start: from images to the first points.
        move: from points, images and the share of the image that a square covers to the next points.
    """

    start: Start
    move: Move


def stripes(images: Tensor, ball: Ball, generator: torch.Generator) -> Tensor:
    """Vertical stripes of ``+eps`` and ``-eps``, each channel by itself."""
    n, channels, _, width = images.shape
    return ball.project(images + ball.eps * signs(generator, (n, channels, 1, width)).to(images), images)


def square(x: Tensor, images: Tensor, share: float, ball: Ball, generator: torch.Generator) -> Tensor:
    """Paints one square of each image, each channel in ``+eps`` or ``-eps``."""
    n, channels, height, width = images.shape
    side = max(1, min(height, width, round((share * height * width) ** 0.5)))
    inside = Window.random(images, side, generator).mask(images)
    painted = images + ball.eps * signs(generator, (n, channels, 1, 1)).to(images)
    return ball.project(torch.where(inside, painted, x), images)


def tiles(images: Tensor, ball: Ball, generator: torch.Generator) -> Tensor:
    """Five by five patterns, each channel with its own sign, on the edge of the ball."""
    n, channels, height, width = images.shape
    side = max(1, min(height, width) // 5)
    delta = torch.zeros_like(images)
    for top in range(height % side // 2, height - side + 1, side):
        for left in range(width % side // 2, width - side + 1, side):
            sign = signs(generator, (n, channels, 1, 1))
            delta[..., top : top + side, left : left + side] = (pattern(side, generator) * sign).to(images)
    return ball.project(images + ball.eps * delta / lengths(delta), images)


def window(x: Tensor, images: Tensor, share: float, ball: Ball, generator: torch.Generator) -> Tensor:
    """Empties one window of the change and gives its length, and what is unused, to a pattern in another."""
    n, channels, height, width = images.shape
    side = _odd(round((share * height * width) ** 0.5), min(height, width))
    first, second = (Window.random(images, side, generator) for _ in range(2))
    delta, inside = x - images, first.mask(images)
    both = inside | second.mask(images)
    unused = (ball.eps**2 - lengths(delta).square()).clamp_min(0) / channels
    length = (unused + _channel_lengths(delta * both).square()).sqrt()
    old = delta * inside
    new = first.place(pattern(side, generator), images) * signs(generator, (n, channels, 1, 1)).to(images)
    new = (new + old / (_channel_lengths(old) + _TINY)) * inside
    delta = torch.where(both, 0, delta) + new / (_channel_lengths(new) + _TINY) * length
    return ball.project(images + ball.eps * delta / lengths(delta), images)


MOVES: dict[NormName, Moves] = {"linf": Moves(stripes, square), "l2": Moves(tiles, window)}


@dataclass(frozen=True)
class Window:
    """A square of one side at a place of its own in each image; ``top`` and ``left`` are ``(N, 1, 1, 1)``."""

    side: int
    top: Tensor
    left: Tensor

    @classmethod
    def random(cls, images: Tensor, side: int, generator: torch.Generator) -> "Window":
        """A uniform place for each image."""
        n, _, height, width = images.shape
        top = torch.randint(height - side + 1, (n, 1, 1, 1), generator=generator)
        left = torch.randint(width - side + 1, (n, 1, 1, 1), generator=generator)
        return cls(side, top, left)

    def mask(self, images: Tensor) -> Tensor:
        """Which pixels are inside, ``(N, 1, H, W)``."""
        rows, columns = self._offsets(images)
        inside = (rows >= 0) & (rows < self.side) & (columns >= 0) & (columns < self.side)
        return inside.to(images.device)

    def place(self, values: Tensor, images: Tensor) -> Tensor:
        """Values ``(side, side)`` at the window's place; meaningless outside of it. ``(N, 1, H, W)``."""
        rows, columns = (offsets.clamp(0, self.side - 1) for offsets in self._offsets(images))
        return values[rows, columns].to(images)

    def _offsets(self, images: Tensor) -> tuple[Tensor, Tensor]:
        height, width = images.shape[2:]
        return torch.arange(height).view(1, 1, -1, 1) - self.top, torch.arange(width).view(1, 1, 1, -1) - self.left


def pattern(side: int, generator: torch.Generator) -> Tensor:
    """Two pyramids of opposite sign, side by side or one above the other, of Euclidean length 1; ``(side, side)``.

    Equation (2) of the paper: one pyramid fills each half.
    """
    half = side // 2
    found = torch.cat([_pyramid(half, side), -_pyramid(side - half, side)])
    length: Tensor = torch.linalg.vector_norm(found)
    found = found / length
    return found.T if torch.rand((), generator=generator) > 0.5 else found


def _pyramid(height: int, width: int) -> Tensor:
    """``sum_{k >= d} 1 / (k + 1)^2`` at the Chebyshev distance ``d`` from the middle, of Euclidean length 1."""
    if not height:
        return torch.zeros(0, width)
    down, across = (torch.arange(side) - side // 2 for side in (height, width))
    distance = torch.maximum(down.abs()[:, None], across.abs()[None])
    terms = 1 / torch.arange(1.0, int(distance.amax()) + 2).square()
    heights = terms.flip(0).cumsum(0).flip(0)[distance]
    length: Tensor = torch.linalg.vector_norm(heights)
    return heights / length


def signs(generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    """Random ``+1`` and ``-1``."""
    return torch.randint(0, 2, shape, generator=generator) * 2 - 1


def _odd(side: int, most: int) -> int:
    """The side of a window: odd, at least 3, at most the image's."""
    return min(max(side, 3) | 1, most - 1 + most % 2)


def _channel_lengths(delta: Tensor) -> Tensor:
    """Euclidean length of each channel, ``(N, C, 1, 1)``."""
    length: Tensor = torch.linalg.vector_norm(delta, dim=(2, 3), keepdim=True)
    return length
