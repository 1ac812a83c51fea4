from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stormbench.benchmarks import evaluate, load_model
from stormbench.benchmarks.analysis.gate_report import gate_report
from stormbench.benchmarks.evaluation.gate import gate
from stormbench.benchmarks.evaluation.sampled.evaluate import evaluate_sampled
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.passes import Passes, paired_differences
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.datasets.preprocessing import Preprocessing
from stormbench.errors import InputError, ResultError
from stormbench.metrics.gate import Verdict

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
FEW = SUITES["cifar-c"].narrowed(["gaussian_noise", "fog", "pixelate"], [1, 5])


@pytest.fixture(scope="module")
def plain() -> Model:
    return load_model(PLAIN)


class HalfBlind(nn.Module):
    """Never answers with one of the first five classes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("bias", torch.tensor([-100.0] * 5 + [0.0] * 5))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images) + self.bias


@pytest.fixture(scope="module")
def blind(plain: Model) -> Model:
    return Model(HalfBlind(plain), "test:blind", Preprocessing())


def test_equal_models_are_not_worse_and_a_blind_one_is(plain: Model, blind: Model, tmp_path: Path) -> None:
    same = gate(plain, plain, "digits", FEW, margin=20.0, out=tmp_path)
    assert same.decision.verdict is Verdict.NOT_WORSE
    assert same.decision.difference == 0
    worse = gate(blind, plain, "digits", FEW, margin=20.0, out=tmp_path)
    assert worse.decision.verdict is Verdict.WORSE
    assert gate(plain, blind, "digits", FEW, margin=20.0, out=tmp_path).decision.verdict is Verdict.NOT_WORSE
    assert worse.decision.blocks < 200


def test_a_small_budget_cannot_tell(plain: Model, blind: Model, tmp_path: Path) -> None:
    found = gate(plain, blind, "digits", FEW, margin=1.0, budget=6 * 3 + 2, out=tmp_path)
    assert found.decision.verdict is Verdict.CANNOT_TELL
    assert (found.decision.blocks, found.decision.passes) == (3, 18)


def test_results_of_full_runs_and_of_samples_are_paired_pass_by_pass(
    plain: Model, blind: Model, tmp_path: Path
) -> None:
    full, _ = evaluate(plain, "digits", FEW, out=tmp_path, limit=100)
    part = evaluate_sampled(blind, "digits", FEW, out=tmp_path, precision=None, budget=60, limit=100)
    again = evaluate_sampled(plain, "digits", FEW, out=tmp_path, precision=None, budget=120, limit=100)
    by_full = paired_differences(Passes.open(part.path), Passes.open(full))
    by_part = paired_differences(Passes.open(part.path), Passes.open(again.path))
    assert by_full.shape == (10, 6)
    np.testing.assert_array_equal(by_full, by_part)
    np.testing.assert_array_equal(paired_differences(Passes.open(full), Passes.open(part.path)), -by_full)
    two_files = gate(part.path, full, margin=50.0, out=tmp_path)
    assert two_files.decision.blocks == 10
    mixed = gate(blind, full, "digits", FEW, margin=20.0, out=tmp_path, limit=100)
    assert mixed.decision.verdict is Verdict.WORSE


def test_two_full_runs_leave_nothing_to_chance(plain: Model, blind: Model, tmp_path: Path) -> None:
    paths = [
        evaluate(model, "digits", FEW, out=tmp_path, limit=40, name=str(at)).path
        for at, model in enumerate((blind, plain))
    ]
    found = gate(*paths, margin=0.0, out=tmp_path)
    assert found.decision.half_width == 0
    new, base = (Passes.open(path) for path in paths)
    report = gate_report(new, base, found.decision, 0.0)
    assert report.decision.difference == pytest.approx(report.figures[0] - report.figures[1])
    assert report.figures[0] == pytest.approx(100 * new.wrong.mean())
    assert gate(paths[1], paths[1], margin=0.0, out=tmp_path).decision.verdict is Verdict.NOT_WORSE


def test_other_pixels_are_refused(plain: Model, tmp_path: Path) -> None:
    paths = [
        evaluate_sampled(plain, "digits", FEW, out=tmp_path, precision=None, budget=60, name=name, **how).path
        for name, how in {"a": {"limit": 50}, "b": {"limit": 50, "seed": 1}, "c": {"limit": 49}}.items()
    ]
    for other, said in zip(paths[1:], ("seed", "number of images"), strict=True):
        with pytest.raises(ResultError, match=f"their {said} differ"):
            gate(paths[0], other, margin=1.0, out=tmp_path)


@pytest.mark.parametrize("margin", [-1.0, 100.0, float("nan")])
def test_impossible_margins_are_refused(plain: Model, margin: float, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="margin"):
        gate(plain, plain, "digits", FEW, margin=margin, out=tmp_path)


def test_a_model_needs_images(plain: Model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="images are needed"):
        gate(plain, plain, margin=1.0, out=tmp_path)
