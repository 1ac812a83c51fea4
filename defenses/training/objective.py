"""The objective of a recipe: inner maximisation, passes through the model, and the sum of the loss's terms."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stormbench.defenses.training.batch import Batch, Outcome
from stormbench.defenses.training.contracts import Carrying, Inner, Objective, Space, Stateful
from stormbench.defenses.training.recipe import PassOrder
from stormbench.defenses.training.terms.pair import Passed, Term
from stormbench.defenses.training.updates import WeightPerturbation


class RecipeObjective(Objective):
    """A batch's loss as a recipe defines it.

    Args:
        model: is trained; from images ``(B, 3, H, W)`` in [0, 1] to logits ``(B, K)``.
        space: what an attack may vary.
        inner: finds the moved images; None where no term needs them.
        terms: are added up.
        order: of the passes; ``joint`` passes both kinds of images at once, so that they share batch statistics.
        perturbation: of the weights (AWP); None for none.
    """

    def __init__(
        self,
        model: nn.Module,
        space: Space,
        inner: Inner | None,
        terms: Sequence[Term],
        *,
        order: PassOrder = "joint",
        perturbation: WeightPerturbation | None = None,
    ) -> None:
        super().__init__(model)
        self.space, self.inner, self.terms, self.order = space, inner, tuple(terms), order
        self.perturbation = perturbation
        self.natural = any(term.needs_natural for term in self.terms)
        self.moves = any(term.needs_moved for term in self.terms) and inner is not None

    @property
    def passes(self) -> float:
        """Forward and backward passes per image and step."""
        outer = self.natural + self.moves + sum(term.passes for term in self.terms)
        inner = self.inner.passes if self.inner is not None and self.moves else 0.0
        return inner + outer * (2 if self.perturbation else 1)

    def forward(self, batch: Batch, generator: torch.Generator) -> Outcome:
        """See ``Objective``."""
        moved = self.inner(self.model, self.space, batch, generator) if self.inner is not None and self.moves else None
        if self.perturbation is not None:
            self.perturbation.ascend(self.model, lambda: self._loss(batch, moved, generator)[0], batch.share)
        loss, passed = self._loss(batch, moved, generator)
        clean, robust = (_right(logits, batch.labels) for logits in (passed.natural, passed.moved))
        return Outcome(loss, clean, robust or 0, 0 if moved is None else len(moved))

    def _loss(self, batch: Batch, moved: Tensor | None, generator: torch.Generator) -> tuple[Tensor, Passed]:
        passed = Passed(self.model, batch, self.space, generator)
        passed.natural, passed.moved = self._pass(batch.images if self.natural else None, moved)
        losses = [term(passed) for term in self.terms]
        return sum(losses[1:], losses[0]), passed

    def _pass(self, natural: Tensor | None, moved: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        if natural is None or moved is None:
            return tuple(None if each is None else self.model(each) for each in (natural, moved))  # type: ignore[return-value]
        if self.order == "joint":
            both = self.model(torch.cat([natural, moved]))
            return both[: len(natural)], both[len(natural) :]
        if self.order == "natural-first":
            first = self.model(natural)
            return first, self.model(moved)
        last = self.model(moved)
        return self.model(natural), last

    def after_step(self) -> None:
        """See ``Objective``: weights that AWP moved go back, and an attack that is carried over takes its step."""
        if self.perturbation is not None:
            self.perturbation.undo()
        if isinstance(self.inner, Carrying):
            self.inner.after_step()

    def stateful(self) -> dict[str, Stateful]:
        """See ``Objective``: attacks with a memory."""
        return {"inner": self.inner} if isinstance(self.inner, Carrying) else {}


def _right(logits: Tensor | None, labels: Tensor) -> int | None:
    return None if logits is None else int((logits.argmax(dim=1) == labels).sum())
