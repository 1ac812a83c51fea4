"""stormbench as it is used from Python: the model, the data set and the run in hand."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import stormbench as sb
from stormbench.benchmarks.demo.networks import architecture, noisy, plain
from stormbench.benchmarks.evaluation.evaluate import evaluate
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.datasets import open_images
from stormbench.errors import DataError, InputError, MissingDependencyError, ModelError, UnknownNameError

ROOT = Path(__file__).parents[1]
FEW: dict[str, Any] = {"suite": "cifar-c", "corruptions": ["fog", "pixelate"], "severities": [3], "limit": 64}


class Net(nn.Module):
    """Somebody's own network."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.body(images)
        return out


class OneBroken:
    """A dataset that cannot read one of its images."""

    targets: ClassVar[list[int]] = [3, 1, 4, 1]

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[np.ndarray[Any, Any], int]:
        if index == 2:
            raise OSError("no such record")
        return np.full((32, 32, 3), 10 * index, dtype=np.uint8), self.targets[index]


class Digits:
    """A dataset as people write them, duck-typed: tensors as ``ToTensor`` makes them."""

    def __init__(self) -> None:
        self.source = open_images("digits")

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = np.array(self.source.read(index))
        return torch.from_numpy(pixels).permute(2, 0, 1) / 255, int(self.source.labels[index])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORMBENCH_CACHE", str(cache))


@pytest.fixture(scope="module")
def data() -> Any:
    return sb.from_torch(Digits())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: Any) -> sb.Run:
    out = tmp_path_factory.mktemp("run")
    return sb.evaluate(sb.wrap(Net(plain()), name="mine"), data, out=out, workers=2, **FEW)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, data: Any) -> sb.Run:
    return sb.evaluate(sb.wrap(noisy(), name="theirs"), data, out=tmp_path_factory.mktemp("other"), **FEW)


def test_the_public_names_are_these() -> None:
    assert sb.__all__ == [
        *("Run", "StormbenchError", "__version__", "attack", "compare", "evaluate"),
        *("from_arrays", "from_torch", "leaderboard", "load", "wrap"),
    ]
    assert all(getattr(sb, name) is not None for name in sb.__all__)
    assert isinstance(sb, ModuleType)
    with pytest.raises(AttributeError, match="'scoer'"):
        _ = sb.scoer  # type: ignore[attr-defined]


def test_a_network_in_hand_gives_the_counts_of_the_same_network_by_name(run: sb.Run, tmp_path: Path) -> None:
    suite = SUITES["cifar-c"].narrowed(FEW["corruptions"], FEW["severities"])
    spec = "python:stormbench.benchmarks.demo.networks:plain"
    digits = open_images("digits")
    arrays = sb.from_arrays(np.stack([np.asarray(digits.read(index)) for index in range(64)]), digits.labels[:64])
    by_name = evaluate(spec, arrays, suite, out=tmp_path)
    assert by_name.result.cells == run.run.result.cells
    assert run.run.result.model.source == "mine"
    assert run.path.name == "mine.cifar-c.digits.json"


def test_figures_are_those_of_the_outcomes(run: sb.Run) -> None:
    outcomes = run.run.outcomes
    wrong = outcomes.rank > 0
    assert run.clean_error.value == pytest.approx(100 * wrong[0].mean())
    assert run.mean_error.value == pytest.approx(100 * wrong[1:].mean())
    assert run.mean_error.low < run.mean_error.value < run.mean_error.high
    assert run.mean_error["fog", 3].value == pytest.approx(100 * wrong[run.run.cells.index(("fog", 3))].mean())
    with pytest.raises(InputError, match="not there for 'frost'"):
        _ = run.mean_error["frost"]
    with pytest.raises(InputError, match="has no mCE"):
        _ = run.mce


def test_predictions_and_hardest_images(run: sb.Run) -> None:
    fog = run.predictions("fog", 3)
    assert fog.keys.tolist() == [str(index) for index in range(64)]
    np.testing.assert_array_equal(fog.prediction == fog.labels, fog.rank == 0)
    assert 100 * (fog.rank > 0).mean() == pytest.approx(run.mean_error["fog", 3].value)
    hardest = run.hardest(5)
    pixelate = run.predictions("pixelate", 3)
    share = {key: 50 * ((a > 0) + (b > 0)) for key, a, b in zip(fog.keys, fog.rank, pixelate.rank, strict=True)}
    assert [image.wrong for image in hardest] == sorted(share.values(), reverse=True)[:5]
    assert all(share[image.key] == image.wrong for image in hardest)
    with pytest.raises(InputError, match="no cell fog at severity 4"):
        run.predictions("fog", 4)


def test_rows_as_pandas_have_them(run: sb.Run) -> None:
    pytest.importorskip("pandas")
    table = run.to_pandas()
    assert list(table.columns) == ["corruption", "severity", "images", "error", "low", "high", "top5_error", "ce"]
    assert table[["corruption", "severity"]].to_numpy().tolist() == [["clean", 0], ["fog", 3], ["pixelate", 3]]
    assert table.error[1] == run.mean_error["fog", 3].value


def test_without_pandas_the_extra_is_named(run: sb.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'stormbench\[pandas\]'"):
        run.to_pandas()


def test_a_run_shows_itself(run: sb.Run) -> None:
    text, page = repr(run), run._repr_html_()
    for shown in (text, page):
        assert "mine" in shown
        assert "pixelate" in shown
        assert f"{run.mean_error['fog', 3].value:.1f}" in shown
    assert "<td" in page
    assert str(run.path.parent) not in page


def test_names_are_escaped_in_notebooks(data: Any, tmp_path: Path) -> None:
    few = FEW | {"limit": 2}
    page = sb.evaluate(sb.wrap(plain(), name="<b>&"), data, out=tmp_path, **few)._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page


def test_a_run_is_opened_compared_and_published(run: sb.Run, other: sb.Run, tmp_path: Path) -> None:
    pytest.importorskip("itables")
    assert sb.Run.open(run.path).figures == run.figures
    found = sb.compare(run, other)
    assert "mine" in found.conclusion
    assert "theirs" in found.conclusion
    assert sb.compare(run.path, other.path) == found
    board = sb.leaderboard([run, other])
    assert "theirs" in repr(board)
    assert "theirs" in board.save(tmp_path / "site").read_text()
    with pytest.raises(InputError, match="at least one"):
        sb.leaderboard([])


def test_without_a_folder_the_run_is_kept_in_the_cache(
    data: Any, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = sb.wrap(plain(), name="cached")
    with caplog.at_level("INFO", "stormbench"):
        first = sb.evaluate(model, data, **FEW | {"limit": 8})
    assert first.path.is_relative_to(cache)
    assert str(first.path.parent) in caplog.text
    created = first.run.result.created
    assert sb.evaluate(model, data, workers=0, **FEW | {"limit": 8}).run.result.created == created
    fewer = sb.evaluate(model, data, **FEW | {"limit": 4})  # of the same name, and yet not in its way
    assert fewer.run.result.data.images == 4


def test_broken_items_are_refused_or_skipped() -> None:
    model = sb.wrap(plain(), name="mine")
    few = FEW | {"limit": None}
    with pytest.raises(DataError, match="item 2 of onebroken cannot be read: no such record"):
        sb.evaluate(model, OneBroken(), **few)
    found = sb.evaluate(model, OneBroken(), skip_broken=True, **few)
    assert found.run.result.data.skipped == ["2"]
    assert found.predictions().keys.tolist() == ["0", "1", "3"]


def test_an_attack_has_a_verdict(data: Any, run: sb.Run) -> None:
    found = sb.attack(sb.wrap(plain(), name="mine"), data, "cifar-c", eps=8 / 255, budget="quick", limit=8)
    record = found.run.result.adversarial
    assert found.verdict == f"{record.verdict}: {record.reason}"
    assert found.robust_accuracy.value == 100 * record.correct.adaptive / 8
    assert "adaptive" in repr(found)
    with pytest.raises(InputError, match="was not attacked"):
        _ = run.verdict


def test_sequences_are_served_alike(data: Any, tmp_path: Path) -> None:
    chosen: dict[str, Any] = {"corruptions": ["brightness"], "limit": 2, "out": tmp_path}
    found = sb.evaluate(sb.wrap(plain(), name="mine"), data, "cifar-p", **chosen)
    (row,) = found.rows()
    assert row["flip_probability"] == found.flip_probability["brightness", 1].value
    assert "brightness" in found._repr_html_()
    assert "brightness" in repr(found)
    with pytest.raises(InputError, match="on sequences"):
        found.predictions("brightness", 1)


@pytest.mark.parametrize(("name", "said"), [("", "printable"), ("timm:resnet50", "colon"), ("a\nb", "printable")])
def test_names_that_cannot_be(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        sb.wrap(plain(), name=name)


def test_what_is_not_wrapped_is_told_how(data: Any) -> None:
    net: Any = plain()
    with pytest.raises(InputError, match=r"sb\.wrap"):
        sb.evaluate(net, data, **FEW)
    with pytest.raises(UnknownNameError, match="fogg"):
        sb.evaluate(sb.wrap(net, name="x"), data, "cifar-c", corruptions=["fogg"])
    with pytest.raises(InputError, match=r"severities is a list, such as \[3\]"):
        sb.evaluate(sb.wrap(net, name="x"), data, "cifar-c", severities=3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"corruptions is a list, such as \['fog'\]"):
        sb.evaluate(sb.wrap(net, name="x"), data, "cifar-c", corruptions="fog")


def test_a_wrapped_network_is_a_copy_in_evaluation_mode() -> None:
    net = plain().train()
    model = sb.wrap(net, name="mine")
    digest = model.digest
    assert net.training
    assert not any(module.training for module in model.modules())
    nn.init.zeros_(net[-1].weight)
    assert model.digest == digest
    assert sb.wrap(net, name="mine").digest != digest


def test_an_arbitrary_function_is_a_model(data: Any, run: sb.Run, tmp_path: Path) -> None:
    net = plain().train()
    model = sb.wrap(lambda images: net(images), name="function")
    assert not net.training  # the function uses it as it is
    found = sb.evaluate(model, data, out=tmp_path, **FEW)
    assert found.run.result.cells == run.run.result.cells


IN_A_NOTEBOOK = """
import sys
import numpy as np
import stormbench as sb
from stormbench.benchmarks.demo.networks import plain
from stormbench.datasets import open_images

net = plain()
source = open_images("digits")

class Digits:
    def __len__(self):
        return 64
    def __getitem__(self, index):
        return np.asarray(source.read(index)) / 255, source.labels[index]

def answer(images):
    return net(images)

model = sb.wrap(answer, name="function")
few = {"corruptions": ["fog", "pixelate"], "severities": [3], "workers": 2, "out": sys.argv[1]}
print(sb.evaluate(model, Digits(), "cifar-c", **few).path)
"""


def test_what_a_notebook_defines_reaches_the_workers(run: sb.Run, tmp_path: Path) -> None:
    """Its ``__main__`` is no file that a worker could import."""
    command = [sys.executable, "-c", IN_A_NOTEBOOK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sb.Run.open(done.stdout.strip()).run.result.cells == run.run.result.cells


def test_functions_that_differ_have_other_digests() -> None:
    net, twin = plain(), architecture()

    def scaled(by: float, network: nn.Module = net) -> Model:
        return sb.wrap(lambda images: network(images) * by, name="scaled")

    assert scaled(1.0).digest == scaled(1.0).digest
    assert len({scaled(1.0).digest, scaled(2.0).digest, scaled(1.0, twin.eval()).digest}) == 3


def test_what_gives_no_logits_is_no_model() -> None:
    with pytest.raises(ModelError, match="expected logits"):
        sb.wrap(lambda images: images, name="identity")
    with pytest.raises(InputError, match=r"nn\.Module or a function"):
        sb.wrap(3, name="three")  # type: ignore[arg-type]


def test_importing_loads_nothing_heavy_and_results_need_no_torch(run: sb.Run) -> None:
    code = "import sys, stormbench as sb; run = sb.Run.open(sys.argv[1]); repr(run); run._repr_html_(); "
    code += "sb.leaderboard([run]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, run.path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_example_runs_on_cifar(shared: Path, tmp_path: Path) -> None:
    """A public ResNet-20 as a plain module, 91.5 % right on the first 1,000 test images."""
    weights = shared / "data/cifar10-weights/resnet20-12fca82f.th"
    loaded = sb.load(f"checkpoint:{weights}@python:{ROOT / 'docs/examples/cifar_resnet.py'}:resnet20")
    mean, std = loaded.preprocessing.mean, loaded.preprocessing.std
    model = sb.wrap(Net(loaded.network), name="resnet20", mean=mean, std=std, size=32)
    with np.load(shared / "data/cifar10/cifar10_test_first1000.npz") as arrays:
        data = arrays["images"], arrays["labels"]
    found = sb.evaluate(model, data, "cifar-c", corruptions=["fog"], severities=[3], workers=2, out=tmp_path)
    assert found.clean_error.value == 8.5
    assert found.clean_error.value < found.mean_error["fog", 3].value < 50
