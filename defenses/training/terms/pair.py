"""Terms of a recipe's loss. The loss is a sum of terms; most recipes have the one term ``Pair``."""

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.training.batch import Batch
from stormbench.defenses.training.contracts import Space
from stormbench.defenses.training.inners.pgd import kl
from stormbench.errors import InputError

Kind = Literal["kl", "weighted-kl", "mse", "js"]
AdversarialLoss = Literal["ce", "bce"]
Reduction = Literal["mean", "sum"]


@dataclass
class Passed:
    """What the model gave for a batch.

    Attributes:
        model: in training mode.
        batch: the images.
        space: in which they were moved.
        generator: of further draws.
        natural: logits of the undisturbed images ``(B, K)``; None where no term needs them.
        moved: logits of the moved images; None where no term needs them.
    """

    model: nn.Module
    batch: Batch
    space: Space
    generator: torch.Generator
    natural: Tensor | None = None
    moved: Tensor | None = None


class Term(Protocol):
    """A part of the loss."""

    needs_natural: bool
    needs_moved: bool
    passes: float

    def __call__(self, passed: Passed) -> Tensor:
        """A scalar."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """``natural * CE(x) + adversarial * L(x') + pair * D(x, x')``: TRADES, MART, ALP, PGD and their kin in one form.

    Attributes:
        natural: weight of the cross-entropy of undisturbed images.
        adversarial: weight of the loss of moved images.
        pair: weight of the distance between the two outputs.
        kind: of the distance: ``kl`` from natural to moved probabilities (TRADES, arXiv 1901.08573); ``weighted-kl``,
            times ``1 - p_y`` of the natural image (MART, ICLR 2020); ``mse`` of logits (ALP, arXiv 1803.06373); ``js``.
            Gradients flow through both sides.
        loss: of moved images: ``ce``, or ``bce``, which adds ``-log(1 - max_{k != y} p_k)`` (MART).
        smoothing: of the labels in all cross-entropies, 0 to 1.
        reduction: of ``mse`` over the classes; ``mean`` as in ALP's code.

    Raises:
        InputError: a weight is negative, or nothing is weighed.
    """

    natural: float = 1.0
    adversarial: float = 0.0
    pair: float = 0.0
    kind: Kind = "kl"
    loss: AdversarialLoss = "ce"
    smoothing: float = 0.0
    reduction: Reduction = "mean"
    passes = 0.0

    def __post_init__(self) -> None:
        if min(self.natural, self.adversarial, self.pair) < 0 or not self.natural + self.adversarial > 0:
            raise InputError("weights are not negative, and natural and adversarial are not both 0")
        if not 0 <= self.smoothing < 1:
            raise InputError(f"label smoothing is in 0..1, below 1, not {self.smoothing:g}")

    @property
    def needs_natural(self) -> bool:
        """Whether undisturbed images are passed."""
        return self.natural > 0 or self.pair > 0

    @property
    def needs_moved(self) -> bool:
        """Whether moved images are passed."""
        return self.adversarial > 0 or self.pair > 0

    def __call__(self, passed: Passed) -> Tensor:
        """See ``Term``."""
        labels, weights, total = passed.batch.labels, passed.batch.weights, []
        if self.natural:
            total.append(self.natural * _mean(self._ce(_some(passed.natural), labels), weights, 0))
        if self.adversarial:
            total.append(self.adversarial * _mean(self._adversarial(_some(passed.moved), labels), weights, 1))
        if self.pair:
            distance = self.distance(_some(passed.natural), _some(passed.moved), labels)
            total.append(self.pair * _mean(distance, weights, 1))
        return sum(total[1:], total[0])

    def _ce(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=self.smoothing)

    def _adversarial(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = self._ce(logits, labels)
        return loss if self.loss == "ce" else loss + largest_wrong(logits, labels)

    def distance(self, natural: Tensor, moved: Tensor, labels: Tensor) -> Tensor:
        """Between logits ``(B, K)``, for each image ``(B,)``."""
        natural, moved = natural.float(), moved.float()
        if self.kind == "mse":
            squares = (natural - moved).square()
            return squares.mean(dim=1) if self.reduction == "mean" else squares.sum(dim=1)
        p = natural.softmax(dim=1)
        if self.kind == "js":
            middle = ((p + moved.softmax(dim=1)) / 2).clamp_min(1e-12).log()
            return (kl(p, middle) + kl(moved.softmax(dim=1), middle)) / 2
        divergence = kl(p, moved)
        return divergence if self.kind == "kl" else divergence * (1 - p.gather(1, labels[:, None]).squeeze(1))


@dataclass(frozen=True, kw_only=True)
class Margin:
    """``clean * CE(x) + (1 - clean) / B * sum of counted CE(x')``: the loss of MMA training (arXiv 1812.02637).

    Attributes:
        clean: share of the clean loss, 0 to 1.

    Raises:
        InputError: the share is out of range.
    """

    clean: float = 1 / 3
    needs_natural = True
    needs_moved = True
    passes = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.clean < 1:
            raise InputError(f"the share of the clean loss is in 0..1, below 1, not {self.clean:g}")

    def __call__(self, passed: Passed) -> Tensor:
        """See ``Term``."""
        labels, counted = passed.batch.labels, passed.batch.views.get("counted")
        moved = functional.cross_entropy(_some(passed.moved).float(), labels, reduction="none")
        natural = functional.cross_entropy(_some(passed.natural).float(), labels)
        return self.clean * natural + (1 - self.clean) * (moved if counted is None else moved * counted).mean()


def largest_wrong(logits: Tensor, labels: Tensor) -> Tensor:
    """``-log(1 - max_{k != y} p_k)`` of logits ``(B, K)``, with the constants of MART's code."""
    wrong = functional.one_hot(labels, logits.shape[1]).bool()
    largest = torch.where(wrong, 0.0, logits.float().softmax(dim=1)).amax(dim=1)
    return -(1.0001 - largest + 1e-12).log()


def _mean(losses: Tensor, weights: Tensor | None, column: int) -> Tensor:
    """Plain, or ``sum(w l) / sum(w)`` (robust self-training, arXiv 2002.10716)."""
    if weights is None:
        return losses.mean()
    own = weights[:, column]
    return (own * losses).sum() / own.sum()


def _some(logits: Tensor | None) -> Tensor:
    if logits is None:
        raise InputError("a term of the loss needs logits that no pass gave")
    return logits
