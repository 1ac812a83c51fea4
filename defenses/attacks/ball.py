"""The threat model: how far an attacker may go, and how to move inside."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from stormbench.errors import InputError

NormName = Literal["linf", "l2"]


_TINY = 1e-12


@dataclass(frozen=True)
class Ball:
    """All images within ``eps`` of a given one that are images: pixels in [0, 1].

    Attributes:
        norm: ``linf``, the largest change of any channel of any pixel; ``l2``, the Euclidean length of the change.
        eps: the radius, for pixels in [0, 1]: 8/255, not 8.

    Raises:
        InputError: there is no such norm, or the radius is not positive, or larger than any change can be.
    """

    norm: NormName
    eps: float

    def __post_init__(self) -> None:
        if self.norm not in ("linf", "l2"):
            raise InputError(f"the norm is linf or l2, not {self.norm!r}")
        if not self.eps > 0 or (self.norm == "linf" and self.eps > 1):
            raise InputError(
                f"eps is a distance between pixels in [0, 1]: above 0, at most 1 in linf, not {self.eps:g}; 8/255 for 8"
            )

    def check(self, images: Tensor) -> None:
        """Refuses images outside [0, 1], and a radius that covers every image of their size.

        Raises:
            InputError: so it is.
        """
        if images.numel() and not (images.amin() >= 0 and images.amax() <= 1):
            raise InputError(f"pixels are in [0, 1], not {images.amin():g} to {images.amax():g}")
        widest = images[0].numel() ** 0.5 if len(images) else float("inf")
        if self.norm == "l2" and self.eps > widest:
            raise InputError(f"no two images of this size are {self.eps:g} apart in l2; eps is at most {widest:g}")

    def project(self, moved: Tensor, images: Tensor) -> Tensor:
        """The nearest point to ``moved`` in the ball around ``images``, then in [0, 1]; both ``(N, 3, H, W)``."""
        if self.norm == "linf":
            return torch.minimum(torch.maximum(moved, images - self.eps), images + self.eps).clamp(0, 1)
        delta = moved - images
        return (images + delta * (self.eps / lengths(delta)).clamp_max(1)).clamp(0, 1)

    def steepest(self, gradient: Tensor) -> Tensor:
        """The direction of length 1 in which a linear function of this gradient grows fastest, however small it is."""
        if self.norm == "linf":
            return gradient.sign()
        gradient = gradient / magnitude(gradient.flatten(1)).view(-1, 1, 1, 1)
        return gradient / lengths(gradient)

    def random(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """A random image in the ball: uniform for ``linf``; for ``l2`` uniform direction and radius."""
        noise = torch.randn(images.shape, generator=generator).to(images)
        shape = (len(images), 1, 1, 1) if self.norm == "l2" else images.shape
        share = torch.rand(shape, generator=generator).to(images)
        delta = noise / lengths(noise) * share if self.norm == "l2" else 2 * share - 1
        return self.project(images + self.eps * delta, images)

    def edge(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """A random image on the ball's edge: every channel at ``+eps`` or ``-eps``, or a random direction in ``l2``."""
        noise = torch.randn(images.shape, generator=generator).to(images)
        return self.project(images + self.eps * self.steepest(noise), images)

    def distance(self, moved: Tensor, images: Tensor) -> Tensor:
        """How far each image was moved, ``(N,)``."""
        delta = (moved - images).flatten(1)
        distance: Tensor = torch.linalg.vector_norm(delta, ord=torch.inf if self.norm == "linf" else 2, dim=1)
        return distance


def lengths(delta: Tensor) -> Tensor:
    """Euclidean length of each image, ``(N, 1, 1, 1)``, never zero."""
    length: Tensor = torch.linalg.vector_norm(delta.flatten(1), dim=1)
    return length.clamp_min(_TINY).view(-1, 1, 1, 1)


_SMALLEST_EXPONENT = -120  # above float32's smallest normal number, so that its inverse is finite


def magnitude(rows: Tensor) -> Tensor:
    """The power of two just above the largest absolute value of each row of ``(N, D)``, ``(N, 1)``; 1 for zeros.

    Dividing by it is exact, so it brings small gradients near 1 without any rounding.
    """
    largest = rows.abs().amax(dim=1, keepdim=True)
    exponent = torch.frexp(largest).exponent.clamp_min(_SMALLEST_EXPONENT)
    return torch.ldexp(torch.ones_like(largest), exponent)
