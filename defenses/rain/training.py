"""Fits an enhancer: first to restore pictures, then to keep a frozen classifier right (arXiv 2004.14798).

The published code has the second step only (SGD, 250 epochs from DIV2K weights) and lets the classifier's batch norm
statistics move. A first step of plain restoration and Adam bring a small network there in a few epochs; both steps are
printed apart, because only the first is about detail.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.rain.defense import RAIN
from stormbench.errors import InputError
from stormbench.states import check_loss, read_state, write_state

Load = Callable[[Tensor], tuple[Tensor, Tensor]]
Report = Callable[["Step"], None]

_SUBSTREAMS = 1_000_003  # seeds of different epochs never meet


@dataclass(frozen=True)
class TrainingSettings:
    """How an enhancer is fitted.

    Attributes:
        restoration_epochs: passes over the images with the L1 distance to the undamaged picture.
        task_epochs: passes with the cross-entropy of the frozen classifier behind RAIN.
        batch_size: images per step.
        restoration_rate: Adam's largest learning rate in the first part (it rises and falls, one cycle per part).
        task_rate: likewise in the second.
        moving_batch_norm: let the classifier's batch norm statistics move, as the published code does; the classifier
            is then changed and has to be kept with the enhancer.
        seed: seed of the order of the images, the flips and RAIN's draws.
    """

    restoration_epochs: int = 3
    task_epochs: int = 5
    batch_size: int = 64
    restoration_rate: float = 2e-3
    task_rate: float = 1e-3
    moving_batch_norm: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.restoration_epochs, self.task_epochs) < 0 or self.restoration_epochs + self.task_epochs < 1:
            raise InputError(f"there is nothing to train in {self.restoration_epochs} + {self.task_epochs} epochs")
        if self.batch_size < 1 or min(self.restoration_rate, self.task_rate) <= 0:
            raise InputError("the batch size and the learning rates are positive")


@dataclass(frozen=True)
class Step:
    """Where the training is: epoch and step count from 0 over both parts.

    Attributes:
        part: ``restoration`` or ``task``.
        epoch: this epoch.
        epochs: all epochs.
        images: images done in all epochs.
        total: images to do in all epochs.
        loss: the loss of the last batch.
    """

    part: str
    epoch: int
    epochs: int
    images: int
    total: int
    loss: float


def restoration_loss(rain: RAIN, images: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG001 - both losses are called alike
    """Mean absolute difference between the enhanced half and the whole; the shift is left out, nothing can mend it."""
    height, width = (side - side % 2 for side in images.shape[2:])
    whole = images[:, :, :height, :width]
    shift, rain.shift = rain.shift, 0.0
    try:
        return functional.l1_loss(rain.enhancer(rain.degrade(whole)), whole)
    finally:
        rain.shift = shift


def task_loss(rain: RAIN, images: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the classifier behind RAIN, one draw."""
    return functional.cross_entropy(rain(images), labels)


@dataclass(frozen=True)
class _Part:
    name: str
    epochs: int
    rate: float
    loss: Callable[[RAIN, Tensor, Tensor], Tensor]


def train_enhancer(
    rain: RAIN,
    load: Load,
    count: int,
    settings: TrainingSettings,
    *,
    checkpoint: Path | None = None,
    report: Report | None = None,
) -> None:
    """Fits ``rain.enhancer`` in place; no other weight changes.

    Args:
        rain: RAIN in front of the classifier.
        load: gives images ``(B, 3, H, W)`` in [0, 1] and labels ``(B,)`` for a tensor of indices ``(B,)``.
        count: how many images there are.
        settings: how to go about it.
        checkpoint: file that keeps the state after every epoch; training continues from it, to the same weights as if
            it had never stopped.
        report: called after every step.

    Raises:
        ModelError: the loss is not a number.
        SettingsChangedError: the checkpoint was made with other settings.
    """
    parts = [
        _Part("restoration", settings.restoration_epochs, settings.restoration_rate, restoration_loss),
        _Part("task", settings.task_epochs, settings.task_rate, task_loss),
    ]
    with _trainable(rain, settings):
        run = _Run(rain, load, count, settings, checkpoint, report or (lambda _: None))
        done = run.restore()
        for part in parts:
            run.fit(part, skip=min(done, part.epochs))
            done -= min(done, part.epochs)


class _Run:
    """One training run: what does not change from epoch to epoch, and the position."""

    def __init__(
        self,
        rain: RAIN,
        load: Load,
        count: int,
        settings: TrainingSettings,
        checkpoint: Path | None,
        report: Report,
    ) -> None:
        self.rain, self.load, self.count, self.settings = rain, load, count, settings
        self.checkpoint, self.report = checkpoint, report
        self.steps = -(-count // settings.batch_size)
        self.epochs = settings.restoration_epochs + settings.task_epochs
        self.epoch = 0
        self.optimiser_state: dict[str, object] | None = None

    def fit(self, part: _Part, *, skip: int) -> None:
        """Runs one part, less the epochs that an earlier run had done."""
        self.epoch += skip
        if skip == part.epochs:
            return
        optimiser = torch.optim.Adam(self.rain.enhancer.parameters(), lr=part.rate)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, part.rate, total_steps=part.epochs * self.steps + 1)
        if skip and self.optimiser_state:  # the last checkpoint fell into this part
            optimiser.load_state_dict(self.optimiser_state["optimiser"])  # type: ignore[arg-type]
            rate.load_state_dict(self.optimiser_state["rate"])  # type: ignore[arg-type]
        for _ in range(skip, part.epochs):
            self._one_epoch(part, optimiser, rate)
            self.epoch += 1
            self._keep(optimiser, rate)

    def _one_epoch(
        self, part: _Part, optimiser: torch.optim.Optimizer, rate: torch.optim.lr_scheduler.LRScheduler
    ) -> None:
        draws = torch.Generator().manual_seed(self.settings.seed * _SUBSTREAMS + self.epoch)
        self.rain.reseed(self.settings.seed * _SUBSTREAMS + self.epoch)
        order = torch.randperm(self.count, generator=draws)
        for step, indices in enumerate(order.split(self.settings.batch_size)):
            images, labels = self.load(indices)
            mirrored = torch.rand(len(images), 1, 1, 1, generator=draws).to(images.device) < 0.5
            loss = part.loss(self.rain, torch.where(mirrored, images.flip(3), images), labels)
            check_loss(loss, f"epoch {self.epoch + 1} ({part.name}), step {step + 1}")
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            rate.step()
            self._tell(part, min((step + 1) * self.settings.batch_size, self.count), loss.item())

    def _tell(self, part: _Part, images: int, loss: float) -> None:
        done = self.epoch * self.count + images
        self.report(Step(part.name, self.epoch, self.epochs, done, self.epochs * self.count, loss))

    def _keep(self, optimiser: torch.optim.Optimizer, rate: torch.optim.lr_scheduler.LRScheduler) -> None:
        if self.checkpoint is None:
            return
        state = {
            "settings": asdict(self.settings),
            "epoch": self.epoch,
            "enhancer": self.rain.enhancer.state_dict(),
            "statistics": dict(self.rain.model.named_buffers()) if self.settings.moving_batch_norm else {},
            "optimiser": optimiser.state_dict(),
            "rate": rate.state_dict(),
        }
        write_state(self.checkpoint, state)

    def restore(self) -> int:
        """Reads the checkpoint if there is one, and returns how many epochs it had done."""
        if self.checkpoint is None or not self.checkpoint.exists():
            return 0
        state = read_state(self.checkpoint, asdict(self.settings), "cpu")
        self.rain.enhancer.load_state_dict(state["enhancer"])
        for name, value in state["statistics"].items():
            self.rain.model.get_buffer(name).copy_(value)
        self.optimiser_state = state
        return int(state["epoch"])


@contextmanager
def _trainable(rain: RAIN, settings: TrainingSettings) -> Iterator[None]:
    """Gradients for the enhancer alone, evaluation mode but for batch norm that may move; undone at the end."""
    gradients = {parameter: parameter.requires_grad for parameter in rain.parameters()}
    modes = {module: module.training for module in rain.modules()}
    rain.requires_grad_(False).eval()
    rain.enhancer.requires_grad_(True)
    for module in rain.model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train(settings.moving_batch_norm)
    try:
        yield
    finally:
        for parameter, wanted in gradients.items():
            parameter.requires_grad_(wanted)
            parameter.grad = None
        for module, training in modes.items():
            module.training = training
