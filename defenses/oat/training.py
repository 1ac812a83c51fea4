"""Once-for-all adversarial training, with widths (OATS) and without, and the dedicated baseline (arXiv 2010.11828).

The three are one procedure: a dedicated model has one lambda, no FiLM and single batch norms; OATS has several widths.
"""

import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from stormbench.defenses.oat.machine import Machine, OneDevice
from stormbench.defenses.oat.model import ConditionalModel
from stormbench.defenses.oat.objective import Batch, Objective, Outcome
from stormbench.defenses.oat.recipe import Recipe
from stormbench.defenses.oat.sampling import sample_lambdas
from stormbench.errors import InputError, ModelError, SettingsChangedError
from stormbench.files import atomic_write

Load = Callable[[Tensor], tuple[Tensor, Tensor]]
Report = Callable[["Progress"], None]

_PADDING = 4
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
        clean: accuracy in 0..1 on this epoch's undisturbed training images so far, each with its lambda, at full width.
        robust: likewise on its attacked images; None where none was attacked.
    """

    epoch: int
    epochs: int
    images: int
    total: int
    finished: bool
    loss: float
    clean: float
    robust: float | None


def train(
    model: ConditionalModel,
    load: Load,
    count: int,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    report: Report | None = None,
    machine: Machine | None = None,
) -> list[Progress]:
    """Trains a conditional or a dedicated model in place.

    Args:
        model: as built; it knows its lambdas and widths.
        load: gives images ``(B, 3, H, W)`` in [0, 1] and labels ``(B,)`` for a tensor of indices ``(B,)``.
        count: how many images there are.
        recipe: how to go about it.
        checkpoint: file that keeps the state after every epoch; training continues from it, on the CPU to the same
            weights as if it had never stopped.
        report: called after every step.
        machine: where; by default the CPU.

    Returns:
        How each epoch ended.

    Raises:
        InputError: there are fewer images than a batch has processes.
        ModelError: the loss is not a number.
        SettingsChangedError: the checkpoint was made with other settings.
    """
    run = _Run(model, load, count, recipe, checkpoint, report or (lambda _: None), machine or OneDevice(_device(model)))
    with torch.random.fork_rng():
        run.restore()
        while run.epoch < recipe.epochs:
            run.one_epoch()
            run.keep()
    model.eval()
    return run.history


class _Run:
    """One training run: what does not change from epoch to epoch, and the position."""

    def __init__(
        self,
        model: ConditionalModel,
        load: Load,
        count: int,
        recipe: Recipe,
        checkpoint: Path | None,
        report: Report,
        machine: Machine,
    ) -> None:
        if count < 2 * machine.processes:
            raise InputError(f"{count} images are too few to train on with {machine.processes} processes")
        self.model, self.load, self.count, self.recipe = model, load, count, recipe
        self.checkpoint, self.report, self.machine = checkpoint, report, machine
        self.settings: dict[str, Any] = {"network": asdict(model.spec), "recipe": asdict(recipe), "images": count}
        self.epoch, self.history = 0, list[Progress]()
        model.to(machine.device)
        self.optimiser = torch.optim.SGD(
            model.parameters(), lr=recipe.rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        self.objective, self.stepper = machine.prepare(Objective(model, recipe), self.optimiser)

    def one_epoch(self) -> None:
        """All images once, in an order, with lambdas and attacks that depend on the seed and the epoch alone."""
        own = (self.recipe.seed * _SUBSTREAMS + self.epoch) * _SUBSTREAMS % 2**63
        shared, draws = (torch.Generator().manual_seed(own + offset) for offset in (0, 1 + self.machine.rank))
        torch.manual_seed(own + 1 + self.machine.rank)  # dropout
        self.objective.train()
        sums = _Sums()
        batches = torch.randperm(self.count, generator=shared).split(self.recipe.batch_size)
        if len(batches[-1]) < 2 * self.machine.processes:  # batch norm needs two images
            batches = batches[:-1]
        for step, indices in enumerate(batches):
            mine = indices[self.machine.rank :: self.machine.processes]
            self._set_rate((self.epoch + step / len(batches)) / self.recipe.epochs)
            sums.add(self._one_step(mine, draws), len(mine))
            self._tell(sums, step, len(batches))
        self.epoch += 1

    def _one_step(self, indices: Tensor, draws: torch.Generator) -> Outcome:
        images, labels = self.load(indices)
        images, labels = images.to(self.machine.device), labels.to(self.machine.device)
        if self.recipe.augment:
            images = augmented(images, draws)
        lambdas = sample_lambdas(len(images), self.model.spec.lambdas, draws, zero_share=self.recipe.zero_share).to(
            images.device
        )
        outcome: Outcome = self.objective(Batch(images, labels, lambdas), draws)
        if not outcome.loss.isfinite():
            raise ModelError(f"the loss became {outcome.loss.item()} in epoch {self.epoch + 1}; a lower rate may help")
        self.stepper.zero_grad()
        self.machine.backward(outcome.loss)
        self.stepper.step()
        return outcome

    def _set_rate(self, share: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate_at(share)

    def _tell(self, sums: "_Sums", step: int, steps: int) -> None:
        finished = step + 1 == steps
        done = self.count if finished else (step + 1) * self.recipe.batch_size
        epochs, total = self.recipe.epochs, self.recipe.epochs * self.count
        progress = Progress(self.epoch, epochs, self.epoch * self.count + done, total, finished, *sums.means())
        if finished:
            self.history.append(progress)
        self.report(progress)

    def keep(self) -> None:
        """Writes the state, if this is the process to do so and there is a place."""
        if self.checkpoint is None or self.machine.rank:
            return
        state = {
            "settings": self.settings,
            "epoch": self.epoch,
            "history": [asdict(each) for each in self.history],
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        atomic_write(self.checkpoint, buffer.getvalue(), durable=True)

    def restore(self) -> None:
        """Takes up the checkpoint if there is one."""
        if self.checkpoint is None or not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, map_location=self.machine.device, weights_only=True)
        if state["settings"] != self.settings:
            raise SettingsChangedError(
                f"{self.checkpoint} was made with {state['settings']}, this run has {self.settings}; "
                "choose another output or remove it"
            )
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch, self.history = state["epoch"], [Progress(**each) for each in state["history"]]


@dataclass
class _Sums:
    """Of one epoch in this process."""

    images: int = 0
    loss: float = 0.0
    clean: int = 0
    robust: int = 0
    attacked: int = 0

    def add(self, outcome: Outcome, images: int) -> None:
        self.images += images
        self.loss += outcome.loss.item() * images
        self.clean += outcome.clean_right
        self.robust += outcome.robust_right
        self.attacked += outcome.attacked

    def means(self) -> tuple[float, float, float | None]:
        """Loss, clean and robust accuracy."""
        robust = self.robust / self.attacked if self.attacked else None
        return self.loss / self.images, self.clean / self.images, robust


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image moved by up to 4 pixels, with zeros where nothing was, and mirrored half of the time.

    Args:
        images: ``(N, 3, H, W)``.
        generator: of the draws, on the CPU.
    """
    count, _, height, width = images.shape
    offsets = torch.randint(2 * _PADDING + 1, (2, count, 1), generator=generator)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    rows = offsets[0] + torch.arange(height)
    columns = offsets[1] + torch.where(mirrored, torch.arange(width).flip(0), torch.arange(width))
    padded = functional.pad(images, (_PADDING,) * 4)
    each, rows, columns = torch.arange(count).view(-1, 1, 1), rows[:, :, None], columns[:, None, :]
    taken = padded.permute(0, 2, 3, 1)[each.to(images.device), rows.to(images.device), columns.to(images.device)]
    return taken.permute(0, 3, 1, 2).contiguous()


def _device(model: ConditionalModel) -> torch.device:
    return model.mean.device
