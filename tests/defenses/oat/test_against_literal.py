"""The general loop trains OAT, OATS and dedicated models to the weights of the loop that was written for them alone."""

from typing import Any

import pytest
import torch
from oat_training import train_literally
from torch import Tensor

from stormbench.benchmarks.training.loader import loader
from stormbench.datasets import open_images
from stormbench.defenses.oat import ConditionalModel, NetworkSpec, Recipe, train

DIGITS = open_images("digits:train").subset(range(50))  # the last batch is short
LOAD = loader(DIGITS, DIGITS.labels, None, "cpu")
OAT: dict[str, Any] = {"arch": "small", "channels": 4, "code_length": 8, "lambdas": (0.0, 0.3, 1.0)}
PGD: dict[str, Any] = {"arch": "small", "channels": 4, "lambdas": (0.5,), "encoding": None, "dual": False}


@pytest.mark.parametrize(
    ("network", "recipe"),
    [
        (OAT, {"schedule": "steps"}),
        (OAT | {"widths": (0.5, 1.0)}, {"zero_share": 0.5}),
        (PGD, {"augment": False}),
        (OAT | {"arch": "wrn-16-8", "channels": 1}, {}),  # with dropout
    ],
    ids=["oat", "oats", "pgd", "dropout"],
)
def test_weights_are_those_of_the_literal_loop(network: dict[str, Any], recipe: dict[str, Any]) -> None:
    how = Recipe(epochs=2, batch_size=16, attack_steps=2, seed=7, **recipe)
    states = list[dict[str, Tensor]]()
    for fit in (train, train_literally):
        torch.manual_seed(1)
        model = ConditionalModel(NetworkSpec(**network))
        fit(model, LOAD, len(DIGITS), how)  # type: ignore[operator]
        states.append(model.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
