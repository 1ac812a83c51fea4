"""One shard of an adversarial evaluation: a few images under one attack."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stormbench.benchmarks.evaluation.device import SWITCHES, precision_switches, set_precision_switches
from stormbench.benchmarks.models.model import Model
from stormbench.datasets import ImageSet
from stormbench.datasets.on_the_fly import OnTheFly
from stormbench.defenses import defend
from stormbench.defenses.attacks import Ball
from stormbench.defenses.attacks.base import subseed
from stormbench.defenses.robustness import Budget, Row
from stormbench.defenses.robustness.outcomes import Judged
from stormbench.defenses.robustness.robust_accuracy import examine
from stormbench.defenses.robustness.rows import Target, run_row
from stormbench.defenses.robustness.schedule import Subject, possible_rows
from stormbench.errors import InputError
from stormbench.execution.shards import Shard, split


@dataclass
class AttackTask:
    """Attacks the images of a shard under one row; runs in a worker.

    The shards of all rows share one journal, so a shard's index tells its row.

    Attributes:
        model: the undefended model.
        defense: specification of the defense in front of it.
        sources: other models, for transfer.
        images: the data set.
        labels: each image's class in the model's index space.
        pixels: how an image is prepared.
        ball: the threat model.
        budget: how hard to try.
        seed: of everything that is drawn.
        device: where the models run.
        batch_size: images per shard.
        settled: what earlier attacks of a cascade left of all images; see ``run_row``.
    """

    model: Model
    defense: str | None
    sources: Mapping[str, Model]
    images: ImageSet
    labels: NDArray[np.int64]
    pixels: OnTheFly
    ball: Ball
    budget: Budget
    seed: int
    device: str
    batch_size: int
    settled: Judged | None = None

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in vars(self).items() if name != "target"}  # every process builds its own
        return kept | {SWITCHES: precision_switches()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        set_precision_switches(state.pop(SWITCHES))
        vars(self).update(state)

    @cached_property
    def subject(self) -> Subject:
        """What the evaluation has to know of the model, from one image."""
        return examine(self.target, *self.batch(0, 1))

    @cached_property
    def rows(self) -> list[Row]:
        """All rows that may come to be run; their order numbers the shards."""
        return possible_rows(self.budget, self.subject)

    def shards(self, row: Row) -> list[Shard]:
        """The shards of one row; no other row has the same indices."""
        own = split(len(self.images), self.batch_size)
        return [replace(shard, index=self.rows.index(row) * len(own) + shard.index) for shard in own]

    @cached_property
    def target(self) -> Target:
        """What is attacked, built at first use."""
        torch.set_num_threads(1)
        model = _ready(self.model, self.device)
        sources = {name: _ready(source, self.device) for name, source in self.sources.items()}
        vote, judge = self.budget.vote, self.budget.judge
        if not self.defense:
            return Target(model, None, sources, vote=vote, judge=judge)
        defended = _ready(defend(model, self.defense), self.device)
        return Target(defended, model, sources, vote=vote, judge=judge)

    def batch(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Images ``(N, 3, H, W)`` in [0, 1] and labels ``(N,)``.

        Raises:
            InputError: the images come in several sizes.
        """
        pictures = [self.pixels.clean(self.images.read(index)) for index in range(start, stop)]
        if len({picture.shape for picture in pictures}) > 1:
            raise InputError(f"the images of {self.images.name} come in several sizes; choose a suite that resizes")
        images = torch.from_numpy(np.stack(pictures)).to(self.device).permute(0, 3, 1, 2).float() / 255
        return images, torch.from_numpy(self.labels[start:stop]).to(self.device)

    def __call__(self, shard: Shard) -> dict[str, NDArray[Any]]:
        """Returns the arrays of ``Judged``, each of shape ``(images of the shard,)``."""
        row = self.rows[shard.index // len(split(len(self.images), self.batch_size))]
        images, labels = self.batch(shard.start, shard.stop)
        settled = self.settled and self.settled.take(slice(shard.start, shard.stop))
        seed = subseed(self.seed, shard.start)
        return vars(run_row(row, self.target, images, labels, self.ball, seed=seed, settled=settled))


def _ready(model: nn.Module, device: str) -> nn.Module:
    """On its device, in evaluation mode, weights laid out in memory as the images are, which saves up to a third."""
    model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.eval()
