"""Two pools of images, labelled and pseudo-labelled: robust self-training (arXiv 2002.10716, 1905.13736)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stormbench.defenses.training.batch import Batch
from stormbench.errors import InputError


@dataclass(frozen=True)
class Sizes:
    """How many images there are: the labelled ones come first, then those with pseudo-labels.

    Attributes:
        labelled: number of the first.
        pseudo: number of the second.
        batch: images per step.
    """

    labelled: int
    pseudo: int
    batch: int


@dataclass(frozen=True, kw_only=True)
class TwoPools:
    """Batches of a fixed mixture of both pools, each drawn in random order without repetition until it is used up.

    As in the source an epoch is as many images as there are in all, and the loss of a batch is
    ``sum(w l) / sum(w)``, with these weights of pseudo-labelled images and one minus them for labelled ones.

    Attributes:
        share: part of a batch that is pseudo-labelled, between 0 and 1.
        natural: weight of a pseudo-labelled image in the natural loss.
        robust: its weight in the adversarial loss.

    Raises:
        InputError: a share or weight is out of range.
    """

    share: float = 0.5
    natural: float = 0.5
    robust: float = 0.5

    def __post_init__(self) -> None:
        if not all(0 < each < 1 for each in (self.share, self.natural, self.robust)):
            raise InputError("share, natural and robust lie between 0 and 1")

    def order(self, sizes: Sizes, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The batches of an epoch, as indices into both pools.

        Raises:
            InputError: a pool is empty.
        """
        if not min(sizes.labelled, sizes.pseudo):
            raise InputError(f"both pools hold images, not {sizes.labelled} labelled and {sizes.pseudo} others")
        steps = max(1, (sizes.labelled + sizes.pseudo) // sizes.batch)
        pseudo = min(max(1, round(self.share * sizes.batch)), sizes.batch - 1)
        ours = _stream(sizes.labelled, steps * (sizes.batch - pseudo), generator).split(sizes.batch - pseudo)
        others = (sizes.labelled + _stream(sizes.pseudo, steps * pseudo, generator)).split(pseudo)
        return tuple(torch.cat(pair) for pair in zip(ours, others, strict=True))

    def weigh(self, batch: Batch, labelled: int) -> None:
        """Writes the weights of a batch, ``(B, 2)``."""
        own = (batch.indices < labelled)[:, None]
        pseudo = torch.tensor([[self.natural, self.robust]])
        batch.weights = torch.where(own, 1 - pseudo, pseudo).to(batch.images.device)


@dataclass(frozen=True)
class Weights:
    """The view that writes the weights.

    Attributes:
        pools: whose.
        labelled: how many images come first that have labels of their own.
    """

    pools: TwoPools
    labelled: int

    def __call__(self, batch: Batch, generator: torch.Generator) -> None:  # noqa: ARG002
        """See ``View``."""
        self.pools.weigh(batch, self.labelled)


def _stream(count: int, wanted: int, generator: torch.Generator) -> Tensor:
    """So many indices: random orders of all, one after the other."""
    orders = [torch.randperm(count, generator=generator) for _ in range(-(-wanted // count))]
    return torch.cat(orders)[:wanted]
