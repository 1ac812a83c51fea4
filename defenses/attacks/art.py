"""Attacks of the Adversarial Robustness Toolbox (Nicolae et al. 2018, arXiv 1807.01069), for comparison.

The toolbox is optional: ``pip install 'stormbench[art]'``.
"""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.expectation import finite_logits
from stormbench.errors import InputError, MissingDependencyError


@dataclass(frozen=True, kw_only=True)
class ToolboxAttack:
    """One of the toolbox's evasion attacks behind our contract.

    Attributes:
        name: a class of ``art.attacks.evasion``: ``ProjectedGradientDescentPyTorch``, ``SquareAttack``, ...
        settings: its arguments, but for the estimator, the norm and the radius.
        passes: how many passes for each image it takes, for the budget; the toolbox does not say.
        batch_size: images at once.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    passes: int = 1
    batch_size: int = 50

    @property
    def draws(self) -> int:
        """The toolbox knows nothing of our draws: each pass makes one."""
        return 1

    @property
    def gradients(self) -> int:
        """What ``passes`` says."""
        return self.passes

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, ball: Ball, generator: torch.Generator
    ) -> Tensor:
        """See ``Attack``; the toolbox draws from numpy's global state, which is seeded and put back.

        Raises:
            MissingDependencyError: the toolbox is not installed.
            InputError: it has no such attack.
        """
        evasion = _import("art.attacks.evasion")
        if not hasattr(evasion, self.name):
            raise InputError(f"art.attacks.evasion has no {self.name}; its documentation lists what it has")
        radius = {"norm": torch.inf if ball.norm == "linf" else 2, "eps": ball.eps, "batch_size": self.batch_size}
        attack = getattr(evasion, self.name)(_estimator(model, images), **radius, **self.settings)
        with _numpy_seeded(int(torch.randint(2**31, (), generator=generator))):
            found = attack.generate(x=images.cpu().numpy(), y=labels.cpu().numpy())
        return torch.from_numpy(found).to(images)


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(f"{module} cannot be imported ({error}); pip install 'stormbench[art]'") from error


def _estimator(model: nn.Module, images: Tensor) -> Any:
    with torch.no_grad():
        classes = finite_logits(model, images[:1]).shape[1]
    return _import("art.estimators.classification").PyTorchClassifier(
        model=model,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(images.shape[1:]),
        nb_classes=classes,
        clip_values=(0.0, 1.0),
        device_type="gpu" if images.is_cuda else "cpu",
    )


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)
