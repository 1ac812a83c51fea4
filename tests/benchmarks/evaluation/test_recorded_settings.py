"""What a run is recorded and continued under: the device, the precision, the libraries, the content of a budget."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from stormbench.benchmarks import evaluate, load_model, score
from stormbench.benchmarks.evaluation.attack import attack
from stormbench.benchmarks.evaluation.settings import run_name
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.datasets.preprocessing import Preprocessing
from stormbench.defenses.robustness import BUDGETS
from stormbench.errors import SettingsChangedError
from stormbench.torchvision_guard import import_timm

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
FEW = SUITES["cifar-c"].narrowed(["contrast"], [1])


@pytest.fixture(scope="module")
def plain() -> Model:
    return load_model(PLAIN)


@pytest.fixture
def fast_matmul() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(before)


def test_device_precision_and_libraries_are_recorded(plain: Model, tmp_path: Path) -> None:
    _, result = score(plain, "digits", FEW, out=tmp_path, limit=8)
    assert result.device is not None
    assert (result.device.kind, result.device.matmul, result.device.conv) == ("cpu", "ieee", "ieee")
    assert {"numba", "llvmlite"} <= result.versions.keys()
    assert "timm" not in result.versions
    suite = SUITES["cifar-p"].narrowed(["brightness"], None)
    run = evaluate(plain, "digits", suite, out=tmp_path / "p", limit=1)
    assert run.result.device == result.device


def test_timm_is_recorded_where_it_takes_part(tmp_path: Path) -> None:
    layers = import_timm().layers
    network = nn.Sequential(layers.GroupNorm1(3), nn.Flatten(), nn.LazyLinear(10))
    _, result = score(Model(network, "mine", Preprocessing(crop=8)), "digits", FEW, out=tmp_path, limit=8)
    assert result.versions["timm"] == import_timm().__version__


def test_a_run_in_another_precision_is_another_run(
    plain: Model, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    score(plain, "digits", FEW, out=tmp_path, limit=8)
    request.getfixturevalue("fast_matmul")
    with pytest.raises(SettingsChangedError, match=r'device\.matmul "ieee", this run has "bf16"'):
        score(plain, "digits", FEW, out=tmp_path, limit=8)


PRECISE = """
import torch
from torch import nn

class N(nn.Module):
    def forward(self, x):
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
        return x.mean((2, 3))

make = N
"""


@pytest.mark.slow
@pytest.mark.usefixtures("fast_matmul")
def test_workers_compute_as_precisely_as_the_caller(tmp_path: Path) -> None:
    (tmp_path / "precise.py").write_text(PRECISE.replace("x.mean((2, 3))", "x.mean((2, 3)).repeat(1, 4)[:, :10]"))
    model = load_model(f"python:{tmp_path}/precise.py:make")
    _, result = score(model, "digits", FEW, out=tmp_path, limit=16, batch_size=8, workers=2)
    assert result.device is not None
    assert result.device.matmul == "bf16"


def test_budgets_of_one_name_are_told_apart(plain: Model, tmp_path: Path) -> None:
    quick = replace(BUDGETS["quick"], lead_steps=2, most_draws=1, queries=0, tries=1, others=())
    weaker = replace(quick, lead_steps=1)

    def run(budget: object) -> None:
        attack(plain, "digits", FEW, out=tmp_path, eps=0.1, budget=budget, limit=4, batch_size=4)

    run(quick)
    run(quick)
    with pytest.raises(SettingsChangedError, match=r"attack\.effort"):
        run(weaker)


def test_surrogates_of_one_name_are_told_apart(plain: Model, tmp_path: Path) -> None:
    quick = replace(BUDGETS["quick"], lead_steps=1, most_draws=1, queries=0, tries=1, others=())
    noisy = load_model("python:stormbench.benchmarks.demo.networks:noisy")

    def run(source: Model) -> None:
        sources = {"surrogate": source}
        attack(plain, "digits", FEW, out=tmp_path, eps=0.1, budget=quick, limit=4, batch_size=4, sources=sources)

    run(noisy)
    run(noisy)
    with pytest.raises(SettingsChangedError, match=r"attack\.sources\.surrogate"):
        run(plain)


def test_parts_of_one_checkpoint_have_runs_of_their_own() -> None:
    names = [run_name(f"checkpoint:a/net.v2.pth{part}@resnet18", "cifar-c", "digits") for part in ("", "#ema")]
    assert names == ["net-v2.cifar-c.digits", "net-v2-ema.cifar-c.digits"]
