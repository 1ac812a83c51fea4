"""Catastrophic overfitting of one-step adversarial training: found after the epoch in which it happens."""

from typing import Any

import torch
from torch import Tensor, nn

from stormbench.defenses.training.batch import Batch
from stormbench.defenses.training.contracts import Inner, Space
from stormbench.defenses.training.recipe import OnCollapse


class CollapseDetector:
    """Attacks one batch after every epoch; a sudden fall of the accuracy is a collapse (Wong 2020, arXiv 2001.03994).

    The source checks with 5 steps of PGD on the first training batch and stops where the accuracy falls by more than
    0.2; it checks in training mode, this in evaluation mode, because the network is used in that.

    Args:
        inner: the attack of the check.
        space: in which it runs.
        on_collapse: ``stop`` puts the weights of the epoch before back and ends the training; ``warn`` goes on.
        fall: of the accuracy, above which an epoch is a collapse.

    Attributes:
        collapsed: number of the epoch, from 1, that collapsed first; 0 while none has.
    """

    def __init__(self, inner: Inner, space: Space, *, on_collapse: OnCollapse = "stop", fall: float = 0.2) -> None:
        self.inner, self.space, self.on_collapse, self.fall = inner, space, on_collapse, fall
        self.collapsed, self.epochs, self.previous = 0, 0, -1.0
        self.weights: dict[str, Tensor] = {}

    @property
    def stopped(self) -> bool:
        """The training is to end here."""
        return bool(self.collapsed) and self.on_collapse == "stop"

    def after_epoch(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> float:
        """Checks, and puts the earlier weights back where the training is to end.

        Returns:
            Accuracy in 0..1 under the check's attack, of the weights that this epoch ended with.
        """
        self.epochs += 1
        accuracy = self._accuracy(model, batch, generator)
        if accuracy < self.previous - self.fall and not self.collapsed:
            self.collapsed = self.epochs
            if self.on_collapse == "stop":
                model.load_state_dict(self.weights)
                return accuracy
        self.previous = accuracy
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
        return accuracy

    def _accuracy(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> float:
        model.eval()
        moved = self.inner(model, self.space, batch, generator)
        with torch.no_grad():
            right = int((model(moved).argmax(dim=1) == batch.labels).sum())
        model.train()
        return right / len(moved)

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {
            "collapsed": self.collapsed,
            "epochs": self.epochs,
            "previous": self.previous,
            "weights": self.weights if self.on_collapse == "stop" else {},
        }

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """From the checkpoint."""
        for name, value in state_dict.items():
            setattr(self, name, value)
