"""Other precisions, compiled models and other layouts: computed so, recorded, and compared only where asked for."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stormbench.benchmarks import load_model, score
from stormbench.benchmarks.analysis.compare import compare
from stormbench.benchmarks.evaluation.verify import verify
from stormbench.benchmarks.models.inference import FLOAT32, Inference, _tf32
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.documents import seal_of
from stormbench.benchmarks.results.images import read_outcomes, read_result
from stormbench.benchmarks.results.settings import InferenceRecord
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.errors import InputError, ModelError, ResultError, SettingsChangedError

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
FEW = SUITES["cifar-c"].narrowed(["gaussian_noise", "contrast"], [3])
BF16 = Inference("bf16")


@pytest.fixture(scope="module")
def plain() -> Model:
    return load_model(PLAIN)


def convolution() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


@pytest.mark.parametrize(
    ("inference", "kind"),
    [(FLOAT32, torch.float32), (BF16, torch.bfloat16), (Inference("fp16"), torch.float16)],
    ids=lambda value: str(value),
)
def test_the_model_computes_in_the_precision_asked_for(inference: Inference, kind: torch.dtype) -> None:
    model = inference.prepared(convolution(), "cpu")
    seen = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(lambda _module, _inputs, out: seen.append(out.dtype))
    with torch.inference_mode(), inference.active("cpu"):
        inference.callable(model)(torch.rand(2, 3, 16, 16))
    assert seen == [kind, kind]
    with torch.inference_mode():  # afterwards as before
        model(torch.rand(2, 3, 16, 16))
    assert seen[2:] == [torch.float32, torch.float32]


def test_channels_last_reaches_weights_and_images() -> None:
    inference = Inference(channels_last=True)
    model = inference.prepared(convolution(), "cpu")
    images = inference.arranged(torch.rand(2, 3, 16, 16))
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert images.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(model(images), convolution()(images.contiguous()))


def test_float32_forbids_tf32_while_it_computes_and_gives_it_back() -> None:
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    for allowed in (False, True):
        with _tf32(allowed):
            assert [backend.allow_tf32 for backend in backends] == [allowed, allowed]
        assert [backend.allow_tf32 for backend in backends] == before


def test_results_are_recorded_named_and_verified_as_they_were_computed(plain: Model, tmp_path: Path) -> None:
    path, result = score(plain, "digits", FEW, out=tmp_path, limit=96, inference=BF16)
    assert path.name.endswith(".bf16.json")
    assert result.inference == InferenceRecord(precision="bf16", compiled=False, channels_last=False)
    assert read_result(path) == result
    found = verify(path, PLAIN, "digits", sample=1.0)
    assert found.equal == found.recomputed == 96 * 3


def test_float32_is_what_results_without_a_word_on_it_hold(plain: Model, tmp_path: Path) -> None:
    """Files from before the choice read as float32, and runs that they began go on."""
    path, result = score(plain, "digits", FEW, out=tmp_path, limit=20)
    assert result.inference is None
    older = json.loads(path.read_text())
    del older["inference"]
    path.write_text(json.dumps(older | {"seal": seal_of(older)}))
    _, again = score(plain, "digits", FEW, out=tmp_path, limit=20)
    assert again.cells == result.cells
    assert again.inference is None


def test_another_precision_is_another_run(plain: Model, tmp_path: Path) -> None:
    score(plain, "digits", FEW, out=tmp_path, limit=20, name="run")
    with pytest.raises(SettingsChangedError, match="inference null"):
        score(plain, "digits", FEW, out=tmp_path, limit=20, name="run", inference=BF16)


def test_counts_in_other_precisions_do_not_depend_on_workers(plain: Model, tmp_path: Path) -> None:
    runs = [
        score(plain, "digits", FEW, out=tmp_path / str(n), limit=64, batch_size=16, workers=n, inference=BF16)
        for n in (0, 2)
    ]
    first, second = (read_outcomes(*run) for run in runs)
    np.testing.assert_array_equal(first.prediction, second.prediction)
    np.testing.assert_array_equal(first.rank, second.rank)


def test_sequences_too(plain: Model, tmp_path: Path) -> None:
    suite = SUITES["cifar-p"].narrowed(["brightness"], [1])
    path, result = score(plain, "digits", suite, out=tmp_path, limit=4, inference=BF16)
    assert result.inference == InferenceRecord(precision="bf16", compiled=False, channels_last=False)
    assert verify(path, PLAIN, "digits", sample=1.0).passed


def test_unlike_arithmetic_is_compared_only_where_asked_for(write_run: Callable[..., Path]) -> None:
    record = InferenceRecord(precision="bf16", compiled=True, channels_last=False)
    first, second = write_run("a"), write_run("b", luck=2, inference=record)
    with pytest.raises(ResultError, match=r"arithmetic .*None against .*bf16"):
        compare([first, second])
    comparison = compare([first, second], any_arithmetic=True)[0]
    assert any("other precision" in note for note in comparison.notes)
    assert not any("precision" in note for note in compare([second, second])[0].notes)


@pytest.mark.parametrize(
    ("inference", "named"), [(Inference("tf32"), "CUDA"), (Inference("int8"), "fp32, tf32, bf16, fp16, not 'int8'")]
)
def test_what_cannot_be_is_refused_before_images_are_read(
    plain: Model, tmp_path: Path, inference: Inference, named: str
) -> None:
    with pytest.raises(InputError, match=named):
        score(plain, tmp_path / "nowhere", FEW, out=tmp_path, inference=inference)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stormbench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


def test_as_a_user_asks_for_it(plain: Model, tmp_path: Path) -> None:
    first, _ = score(plain, "digits", SUITES["cifar-c"].narrowed(["contrast"], [3]), out=tmp_path, limit=20)
    asked = "--corruptions", "contrast", "--severities", 3, "--limit", 20, "--workers", 0, "--suite", "cifar-c"
    other = "--precision-mode", "bf16", "--channels-last"
    made = run("score", PLAIN, "--data", "digits", *asked, *other, "-o", tmp_path)
    assert made.returncode == 0, made.stderr
    (second,) = tmp_path.glob("*.bf16.channels-last.json")
    refused = run("compare", first, second)
    assert refused.returncode != 0
    assert "arithmetic" in refused.stderr
    assert run("compare", first, second, "--any-arithmetic").returncode == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, about itself
def test_compiled_models_answer_alike(plain: Model, tmp_path: Path) -> None:
    _, eager = score(plain, "digits", FEW, out=tmp_path, limit=32)
    path, compiled = score(plain, "digits", FEW, out=tmp_path, limit=32, inference=Inference(compiled=True))
    assert path.name.endswith(".compiled.json")
    assert compiled.cells == eager.cells


def test_a_compiler_that_fails_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> object:
        raise RuntimeError("no compiler found")

    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model: compile_(model, backend=failing))
    ask = Inference(compiled=True).callable(convolution())
    with pytest.raises(ModelError, match=r"cannot compile the model .*leave out --compile"):
        ask(torch.rand(1, 3, 8, 8))
