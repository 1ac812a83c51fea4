"""Compares budgets of attacks on several models: what each leaves, and what it costs, as a table in Markdown.

    python -m stormbench.benchmarks.experiments.budget_table MODEL... --data DATA --eps 8/255 --limit 200

With ``--reference`` torchattacks' port of AutoAttack (``pip install torchattacks``) attacks the same images.
"""

import argparse
import importlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stormbench.benchmarks.models.loading import load_model
from stormbench.datasets import open_images
from stormbench.defenses.attacks import Ball
from stormbench.defenses.attacks.ball import NormName
from stormbench.defenses.robustness import Row, robust_accuracy
from stormbench.defenses.robustness.budgets import KNOWING
from stormbench.errors import MissingDependencyError, StormbenchError


class CountedModel(nn.Module):
    """A model that counts the images it is shown."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.shown = 0

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images."""
        self.shown += len(images)
        logits: Tensor = self.model(images)
        return logits


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        model: how it was loaded.
        budget: what attacked it.
        clean: right answers without an attack.
        left: right answers under all attacks of the budget.
        images: how many were attacked.
        passes: images that the attacks showed the model, for each image; controls are left out.
        seconds: of the CPU, for the attacks.
        verdict: in words.
    """

    model: str
    budget: str
    clean: int
    left: int
    images: int
    passes: float
    seconds: float
    verdict: str

    def __str__(self) -> str:
        percent = f"{self.left} ({100 * self.left / self.images:.1f} %)"
        cost = f"{self.passes:.0f} | {self.seconds:.0f}"
        return f"| `{self.model}` | {self.budget} | {self.clean} | {percent} | {cost} | {self.verdict} |"


HEADER = (
    "| model | attacks | right, not attacked | left | passes an image | CPU seconds | verdict |\n"
    "|---|---|---|---|---|---|---|"
)


class _Meter:
    """Passes and seconds of the attacks that know the model, from what is reported after every batch."""

    def __init__(self, model: CountedModel) -> None:
        self.model = model
        self.passes: Counter[bool] = Counter()
        self.seconds: dict[bool, float] = {True: 0.0, False: 0.0}
        self.before = model.shown, time.process_time()

    def __call__(self, row: Row, done: int, total: int) -> None:  # noqa: ARG002 - what a report is told
        now = self.model.shown, time.process_time()
        self.passes[row.role in KNOWING] += now[0] - self.before[0]
        self.seconds[row.role in KNOWING] += now[1] - self.before[1]
        self.before = now


def measure(name: str, model: nn.Module, images: Tensor, labels: Tensor, ball: Ball, budget: str) -> Line:
    """Attacks a model with a budget.

    Args:
        name: of the model, for the table.
        model: from ``(N, 3, H, W)`` in [0, 1] to logits.
        images: ``(N, 3, H, W)``.
        labels: ``(N,)``.
        ball: the threat model.
        budget: its name.
    """
    counted = CountedModel(model)
    meter = _Meter(counted)
    found = robust_accuracy(counted, images, labels, eps=ball.eps, norm=ball.norm, budget=budget, report=meter)
    clean, left = (found.counts[heading] or 0 for heading in ("clean", "adaptive"))
    passes = meter.passes[True] / len(images)
    return Line(name, budget, clean, left, len(images), passes, meter.seconds[True], found.verdict.value)


def measure_reference(name: str, model: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Line:
    """Attacks a model with torchattacks' port of AutoAttack's standard version.

    Raises:
        MissingDependencyError: torchattacks is not installed.
    """
    counted = CountedModel(model.eval().requires_grad_(False))
    norm = {"linf": "Linf", "l2": "L2"}[ball.norm]
    with torch.no_grad():
        logits = model(images)
    attack = _torchattacks().AutoAttack(counted, norm=norm, eps=ball.eps, n_classes=logits.shape[1])
    begun = time.process_time()
    moved = attack(images, labels)
    seconds = time.process_time() - begun
    with torch.no_grad():
        left = int((model(moved).argmax(1) == labels).sum())
    clean = int((logits.argmax(1) == labels).sum())
    return Line(name, "torchattacks' AutoAttack", clean, left, len(images), counted.shown / len(images), seconds, "")


def _torchattacks() -> Any:
    try:
        return importlib.import_module("torchattacks")
    except ImportError as error:
        raise MissingDependencyError(f"torchattacks cannot be imported ({error}); pip install torchattacks") from error


def lines(options: argparse.Namespace) -> Iterator[Line]:
    """The lines of the table, as they are measured."""
    ball = Ball(options.norm, float(Fraction(options.eps)))
    for source in options.models:
        model = load_model(source)
        images, labels = _images(options.data, options.limit)
        name = source.rpartition(":")[2]
        for budget in options.budget:
            yield measure(name, model, images, labels, ball, budget)
        if options.reference:
            yield measure_reference(name, model, images, labels, ball)


def _images(source: str, limit: int) -> tuple[Tensor, Tensor]:
    """The first images of a data set whose classes are the model's, and their classes."""
    data = open_images(source)
    pixels = np.stack([np.asarray(data.read(index)) for index in range(min(limit, len(data)))])
    labels = torch.tensor([data.labels[index] for index in range(len(pixels))])
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).contiguous(), labels


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table, line by line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    norms: tuple[NormName, ...] = ("linf", "l2")
    parser.add_argument("models", nargs="+", help="how to load each model, as for stormbench attack")
    parser.add_argument("--data", required=True)
    parser.add_argument("--norm", choices=norms, default="linf")
    parser.add_argument("--eps", default="8/255")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--budget", nargs="+", default=["quick", "standard", "autoattack"])
    parser.add_argument("--reference", action="store_true", help="also torchattacks' AutoAttack")
    options = parser.parse_args(arguments)
    sys.stdout.write(f"{HEADER}\n")
    try:
        for line in lines(options):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except StormbenchError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
