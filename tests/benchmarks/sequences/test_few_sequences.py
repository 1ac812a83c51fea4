"""Intervals where all images gave the same: few images prove little."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stormbench.benchmarks import evaluate
from stormbench.benchmarks.analysis.summary import summarise
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.datasets.preprocessing import Preprocessing
from stormbench.metrics.estimates import Estimate
from stormbench.metrics.intervals import wilson


class Constant(nn.Module):
    """Always the same answer."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.arange(10.0).expand(len(images), 10)


@pytest.mark.parametrize("images", [1, 2, 20])
def test_flips_that_were_not_seen_may_be_there(tmp_path: Path, images: int) -> None:
    model = Model(Constant(), "constant", Preprocessing(crop=8))
    suite = SUITES["cifar-p"].narrowed(["brightness"], None)
    summary = summarise(evaluate(model, "digits", suite, out=tmp_path, limit=images), None)
    low, high = wilson(0, images)
    for estimate, most in ((summary.flip_probability["brightness", 1], 100), (summary.mean_top5, 15)):
        assert estimate.value == estimate.low == low == 0
        assert estimate.high == pytest.approx(most * high)
    assert summary.figures["flip_probability"].high == pytest.approx(100 * high)


def test_errors_of_two_images_prove_little(tmp_path: Path) -> None:
    model = Model(Constant(), "constant", Preprocessing(crop=8))
    suite = SUITES["cifar-c"].narrowed(["contrast"], [1, 2, 3, 4, 5])
    summary = summarise(evaluate(model, "digits", suite, out=tmp_path, limit=2), None)
    bounds = [100 * bound for bound in wilson(2, 2)]
    for estimate in (summary.mean_error, summary.corruption_means["contrast"], summary.severity_means[3]):
        assert (estimate.value, estimate.low, estimate.high) == (100, *bounds)
    assert bounds[0] < 35


def test_other_intervals_are_those_of_the_bootstrap() -> None:
    sampled = np.random.default_rng(0).uniform(0, 100, 1001)
    assert Estimate.of(sampled, 5) == Estimate.of(sampled)
