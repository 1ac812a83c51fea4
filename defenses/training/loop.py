"""The one training loop: order, augmentation, views, steps, averages, checkpoints; what is minimised is an objective.

Everything that is drawn depends on the seed and the epoch alone, so that a training which is continued after any epoch
ends, on the CPU, with the weights of one that was never interrupted.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stormbench.defenses.training.averages import Average, NoAverage
from stormbench.defenses.training.batch import Batch, Outcome
from stormbench.defenses.training.collapse import CollapseDetector
from stormbench.defenses.training.contracts import Objective, Stateful, View
from stormbench.defenses.training.distributed import OneDevice, Strategy
from stormbench.errors import InputError
from stormbench.states import check_loss, read_state, write_state

Load = Callable[[Tensor], tuple[Tensor, Tensor]]
Report = Callable[["Progress"], None]
Order = Callable[[torch.Generator], tuple[Tensor, ...]]

_SUBSTREAMS = 1_000_003  # seeds of different epochs and processes never meet


@dataclass(frozen=True)
class Progress:
    """Where a training is.

    Attributes:
        epoch: this epoch, from 0.
        epochs: all epochs.
        images: images done in all epochs.
        total: images to do in all epochs.
        finished: this was the epoch's last step.
        loss: mean over the epoch so far (over widths: of their sum).
        clean: accuracy in 0..1 on this epoch's undisturbed training images so far (OAT: each with its lambda, at full
            width); None where the recipe passes none.
        robust: accuracy on the images that the recipe moved; None where it moved none.
        probed: accuracy under the collapse detector's attack at the end of the epoch; None without a detector.
        seconds: since the epoch began; two histories are equal whatever it took.
    """

    epoch: int
    epochs: int
    images: int
    total: int
    finished: bool
    loss: float
    clean: float | None
    robust: float | None
    probed: float | None = None
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the loop itself does for a recipe.

    Attributes:
        epochs: passes over the images.
        batch_size: images per step, in all processes.
        seed: of the order and of all draws.
        rate_at: the learning rate when this share (0..1) of the training is done.
        settings: what a continued training must have in common with the one that was interrupted.
        views: augmentation and views, in this order.
        replays: steps on each batch before the next one.
        whole_batches: leave out the last batch where it is short.
        order: batches of an epoch instead of a random order of all images.
    """

    epochs: int
    batch_size: int
    seed: int
    rate_at: Callable[[float], float]
    settings: dict[str, Any]
    views: tuple[View, ...] = ()
    replays: int = 1
    whole_batches: bool = False
    order: Order | None = None


@dataclass
class Training:
    """One training run: what does not change from epoch to epoch, and the position.

    Attributes:
        objective: holds the model, which is trained in place.
        optimiser: of the model's weights.
        load: gives images ``(B, 3, H, W)`` in [0, 1] and labels ``(B,)`` for a tensor of indices ``(B,)``.
        count: how many images there are.
        plan: how to go about it.
        checkpoint: file that keeps the state after every epoch, and from which the run continues.
        report: called after every step.
        strategy: on which devices.
        average: of the weights over the training.
        detector: watches for catastrophic overfitting.
        history: how each epoch ended.

    Raises:
        InputError: there are fewer images than a batch has processes.
    """

    objective: Objective
    optimiser: torch.optim.Optimizer
    load: Load
    count: int
    plan: Plan
    checkpoint: Path | None = None
    report: Report = lambda _: None
    strategy: Strategy = field(default_factory=lambda: OneDevice(torch.device("cpu")))
    average: Average = field(default_factory=NoAverage)
    detector: CollapseDetector | None = None
    epoch: int = 0
    began: float = 0.0
    history: list[Progress] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.count < 2 * self.strategy.processes:
            raise InputError(f"{self.count} images are too few to train on with {self.strategy.processes} processes")
        self.called, self.stepper = self.strategy.prepare(self.objective, self.optimiser)

    def run(self) -> list[Progress]:
        """Trains to the end and leaves the model in evaluation mode.

        Returns:
            How each epoch ended.

        Raises:
            ModelError: the loss is not a number.
            SettingsChangedError: the checkpoint was made with other settings.
        """
        with torch.random.fork_rng():
            self.restore()
            while self.epoch < self.plan.epochs and not (self.detector and self.detector.stopped):
                self.one_epoch()
                self.keep()
            self.average.finish(self.objective.model, self._images_again)
        self.objective.model.eval()
        return self.history

    def one_epoch(self) -> None:
        """All images once, in an order and with draws that depend on the seed and the epoch alone."""
        own = (self.plan.seed * _SUBSTREAMS + self.epoch) * _SUBSTREAMS % 2**63
        shared, draws = (torch.Generator().manual_seed(own + offset) for offset in (0, 1 + self.strategy.rank))
        torch.manual_seed(own + 1 + self.strategy.rank)  # dropout
        self.called.train()
        sums, batches, first = _Sums(), self._batches(shared), None
        self.began = time.monotonic()
        for step, indices in enumerate(batches):
            batch = self._batch(indices, (self.epoch + step / len(batches)) / self.plan.epochs, draws)
            first = first or batch
            for replay in range(self.plan.replays):
                self._set_rate((self.epoch + (step + replay / self.plan.replays) / len(batches)) / self.plan.epochs)
                sums.add(self._one_step(batch, draws, step), len(batch.images))
            if step + 1 < len(batches):
                self._tell(sums, (step + 1) * self.plan.batch_size)
        self.epoch += 1
        self.average.after_epoch(self.objective.model, self.epoch / self.plan.epochs)
        self._tell(sums, self.count, probed=self._probe(first, draws), finished=True)

    def _batches(self, shared: torch.Generator) -> tuple[Tensor, ...]:
        if self.plan.order is not None:
            return self.plan.order(shared)
        batches = torch.randperm(self.count, generator=shared).split(self.plan.batch_size)
        least = self.plan.batch_size if self.plan.whole_batches else 2 * self.strategy.processes  # for batch norm
        return tuple(batches[:-1] if len(batches[-1]) < least and len(batches) > 1 else batches)

    def _batch(self, indices: Tensor, share: float, draws: torch.Generator) -> Batch:
        mine = indices[self.strategy.rank :: self.strategy.processes]
        images, labels = (each.to(self.strategy.device) for each in self.load(mine))
        batch = Batch(images, labels, mine, share=share)
        for view in self.plan.views:
            view(batch, draws)
        return batch

    def _one_step(self, batch: Batch, draws: torch.Generator, step: int) -> Outcome:
        outcome: Outcome = self.called(batch, draws)
        check_loss(outcome.loss, f"epoch {self.epoch + 1}, step {step + 1}")
        self.stepper.zero_grad()
        self.strategy.backward(outcome.loss)
        self.stepper.step()
        self.objective.after_step()
        self.average.after_step(self.objective.model)
        return outcome

    def _set_rate(self, share: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate_at(share)

    def _probe(self, batch: Batch | None, draws: torch.Generator) -> float | None:
        if self.detector is None or batch is None:
            return None
        return self.detector.after_epoch(self.objective.model, batch, draws)

    def _tell(self, sums: "_Sums", done: int, *, probed: float | None = None, finished: bool = False) -> None:
        epoch = self.epoch - finished
        total = self.plan.epochs * self.count
        progress = Progress(
            epoch,
            self.plan.epochs,
            epoch * self.count + done,
            total,
            finished,
            *sums.means(),
            probed=probed,
            seconds=time.monotonic() - self.began,
        )
        if finished:
            self.history.append(progress)
        self.report(progress)

    def _images_again(self) -> Iterator[Tensor]:
        """The training images in batches, as they are."""
        for indices in torch.arange(self.count).split(self.plan.batch_size):
            yield self.load(indices)[0].to(self.strategy.device)

    def _parts(self) -> dict[str, Stateful]:
        own: dict[str, Stateful] = {"average": self.average} if self.average.has_state else {}
        return own | ({"detector": self.detector} if self.detector else {}) | self.objective.stateful()

    def keep(self) -> None:
        """Writes the state, if this is the process to do so and there is a place."""
        if self.checkpoint is None or self.strategy.rank:
            return
        state = {
            "settings": self.plan.settings,
            "epoch": self.epoch,
            "history": [asdict(each) for each in self.history],
            "model": self.objective.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "parts": {name: part.state_dict() for name, part in self._parts().items()},
        }
        write_state(self.checkpoint, state)

    def restore(self) -> None:
        """Takes up the checkpoint if there is one."""
        if self.checkpoint is None or not self.checkpoint.exists():
            return
        state = read_state(self.checkpoint, self.plan.settings, self.strategy.device)
        self.objective.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name, part in self._parts().items():
            part.load_state_dict(state["parts"][name])
        self.epoch, self.history = state["epoch"], [Progress(**each) for each in state["history"]]


@dataclass
class _Sums:
    """Of one epoch in this process."""

    images: int = 0
    loss: float = 0.0
    clean: int | None = 0
    robust: int = 0
    attacked: int = 0

    def add(self, outcome: Outcome, images: int) -> None:
        self.images += images
        self.loss += outcome.loss.item() * images
        self.clean = None if outcome.clean_right is None else (self.clean or 0) + outcome.clean_right
        self.robust += outcome.robust_right
        self.attacked += outcome.attacked

    def means(self) -> tuple[float, float | None, float | None]:
        """Loss, clean and robust accuracy."""
        robust = self.robust / self.attacked if self.attacked else None
        return self.loss / self.images, None if self.clean is None else self.clean / self.images, robust
