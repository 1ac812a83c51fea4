"""Which images an attack still has to work on: those that a deterministic model gets wrong leave it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.expectation import expected_margin, worst

# By how much a wrong logit must lead before an image leaves: rounding in batches of other sizes must not undo it.
CLEAR = 1e-5
_WORTH_COPYING = 8  # images are taken out of a batch once one in so many is broken


class Candidate(NamedTuple):
    """Adversarial images of one run, ``(n, 3, H, W)``, and their margins as the run measured them, ``(n,)``."""

    images: Tensor
    margin: Tensor


Run = Callable[[Tensor], list[Candidate]]  # from the positions of the images to attack, ``(n,)``


def strongest(
    model: nn.Module, images: Tensor, labels: Tensor, runs: Iterable[Run], *, draws: int, leave: bool
) -> Tensor:
    """Makes the runs of an attack (restarts, targets) one after the other, and joins what they found.

    Args:
        model: what is attacked.
        images: ``(N, 3, H, W)``.
        labels: ``(N,)``.
        runs: each attacks the images at the given positions.
        draws: draws by which candidates are compared where images do not leave.
        leave: every run gets only the images that are still right; for deterministic models.

    Returns:
        For each image the candidate with the highest margin, ``(N, 3, H, W)``.
    """
    if leave:
        return _on_what_is_left(model, images, labels, runs)
    everything = torch.arange(len(images), device=images.device)
    candidates = [candidate.images for run in runs for candidate in run(everything)]
    return worst(model, candidates, labels, draws=draws)


def _on_what_is_left(model: nn.Module, images: Tensor, labels: Tensor, runs: Iterable[Run]) -> Tensor:
    best = Best.of(images, expected_margin(model, images, labels, draws=1))
    for run in runs:
        left = best.unbroken()
        if not len(left):
            break
        for candidate in run(left):
            best.update(left, candidate)
    return best.images


@dataclass
class Best:
    """The point of highest margin that was seen of each image.

    Attributes:
        images: ``(N, 3, H, W)``.
        margin: ``(N,)``; above 0 where the model errs.
    """

    images: Tensor
    margin: Tensor

    @classmethod
    def of(cls, images: Tensor, margin: Tensor) -> Self:
        """A record that starts with these points."""
        return cls(images.clone(), margin.clone())

    def update(self, at: Tensor, seen: Candidate) -> None:
        """Takes in further points of the images at positions ``at``."""
        better = seen.margin > self.margin[at]
        chosen = at[better]
        self.images[chosen], self.margin[chosen] = seen.images[better], seen.margin[better]

    def unbroken(self) -> Tensor:
        """Positions of the images that the model still gets right."""
        return (self.margin <= CLEAR).nonzero().squeeze(1)


@dataclass
class State:
    """Base of what a run knows of its images: every field is a tensor with a row for each, or None."""

    def take(self, which: Tensor) -> Self:
        """The state of some of the images."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: value if value is None else value[which] for name, value in values.items()})


def staying(margin: Tensor) -> Tensor | None:
    """Positions of the images that stay in a batch; None where too few are broken to be worth a copy."""
    stay = (margin <= CLEAR).nonzero().squeeze(1)
    return None if (len(margin) - len(stay)) * _WORTH_COPYING < len(margin) else stay
