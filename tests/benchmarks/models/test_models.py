"""Models by name: what each source gives, and what is refused in which words."""

import ast
import copy
import importlib
import multiprocessing
import os
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from stormbench.benchmarks.models.loading import _LOADERS, load_model
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.models.sources import MODEL_SOURCES, split_spec
from stormbench.datasets import Geometry, ImageSet, match_classes, open_images
from stormbench.datasets.preprocessing import Preprocessing
from stormbench.errors import InputError, ModelError, StormbenchError, UnknownNameError
from stormbench.torchvision_guard import import_torchvision

EXAMPLE = Path(__file__).parents[3] / "docs/examples/cifar_resnet.py"
RESNET20 = f"python:{EXAMPLE}:resnet20"


@pytest.fixture(scope="module")
def squeezenet() -> nn.Module:
    torch.manual_seed(0)
    return import_torchvision().models.squeezenet1_1()


@pytest.fixture
def checkpoint(tmp_path: Path, squeezenet: nn.Module) -> Path:
    torch.save(squeezenet.state_dict(), tmp_path / "net.pth")
    return tmp_path / "net.pth"


def factory_file(folder: Path, body: str) -> str:
    path = folder / "mine.py"
    path.write_text(f"import torch\nfrom torch import nn\n\n{body}\n")
    return f"python:{path}:make"


def images(side: int, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


# Names


def test_every_source_is_listed_and_loadable() -> None:
    assert list(MODEL_SOURCES) == list(_LOADERS)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "resnet50",
            "'resnet50' does not say where .* write torchvision:resnet50, timm:resnet50, checkpoint:PATH@resnet50",
        ),
        ("weights/resnet50.pth", "write checkpoint:weights/resnet50.pth@ARCHITECTURE$"),
        ("C:/weights/resnet50.pth", "write checkpoint:C:/weights/resnet50.pth@ARCHITECTURE$"),
        ("nets/mine.py", "write python:nets/mine.py:FACTORY$"),
        ("tensorflow:resnet50", "does not say where"),
        ("timm:", r"names no model; write timm:NAME"),
        ("", "does not say where"),
        ("checkpoint:net.pth", "names no architecture"),
        ("checkpoint:home@cs/net.pth", "names no architecture"),
        ("checkpoint:nowhere.pth@squeezenet1_1", "there is no checkpoint nowhere.pth"),
        ("python:mine.py", "names no factory"),
        ("python:nowhere.py:make", "there is no Python file .*nowhere.py"),
        ("python:no.such.module:make", "module no.such.module cannot be imported"),
    ],
)
def test_nothing_is_guessed(spec: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spec", ["torchvision:resnet5", "timm:resnet5"])
def test_unknown_architectures_are_answered_with_near_ones(spec: str) -> None:
    with pytest.raises(UnknownNameError, match="resnet50"):
        load_model(spec)


def test_unknown_weights_are_answered_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="IMAGENET1K_V2"):
        load_model("torchvision:resnet50@IMAGENET1K_V3")


def test_only_classifiers_are_known() -> None:
    with pytest.raises(UnknownNameError):
        load_model("torchvision:fasterrcnn_resnet50_fpn")


def test_paths_survive_splitting() -> None:
    assert split_spec("python:C:\\models\\mine.py:make") == ("python", "C:\\models\\mine.py:make")


def test_path_with_at_sign(tmp_path: Path, checkpoint: Path) -> None:
    folder = tmp_path / "me@home"
    folder.mkdir()
    copied = checkpoint.rename(folder / "net@best.pth")
    assert load_model(f"checkpoint:{copied}@squeezenet1_1").source == f"checkpoint:{copied}@squeezenet1_1"


# Published weights, from a cache that the test fills, and without a network


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub/checkpoints"


def test_missing_weights_are_one_sentence(no_network: Path) -> None:
    with pytest.raises(ModelError, match=r"torchvision:squeezenet1_1@IMAGENET1K_V1 are not in torch's cache") as caught:
        load_model("torchvision:squeezenet1_1")
    assert "checkpoint:PATH@squeezenet1_1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_default_weights_are_recorded_by_name(no_network: Path, squeezenet: nn.Module) -> None:
    weights = import_torchvision().models.SqueezeNet1_1_Weights.IMAGENET1K_V1
    no_network.mkdir(parents=True)
    torch.save(squeezenet.state_dict(), no_network / Path(weights.url).name)
    model = load_model("torchvision:squeezenet1_1")
    assert model.source == "torchvision:squeezenet1_1@IMAGENET1K_V1"
    assert model.preprocessing.mean == (0.485, 0.456, 0.406)
    assert (model.preprocessing.resize, model.preprocessing.crop, model.num_classes) == (256, 224, 1000)
    expected = squeezenet.eval()(weights.transforms().__class__(crop_size=224, resize_size=224)(images(224)))
    torch.testing.assert_close(model(images(224)), expected, rtol=1e-4, atol=1e-5)


def test_timm_architecture_with_own_weights(tmp_path: Path) -> None:
    timm = pytest.importorskip("stormbench.torchvision_guard").import_timm()
    network = timm.create_model("resnet10t", num_classes=7)
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    model = load_model(f"checkpoint:{tmp_path}/net.safetensors@timm:resnet10t")
    assert model.num_classes == 7
    assert model.preprocessing == Preprocessing(
        176 * 1000 // 875, 176, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    )


def test_timm_without_network_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from stormbench.benchmarks.models import zoo

    def refuse(*_: object, **__: object) -> nn.Module:
        raise OSError("An error happened\nand this is its story")

    monkeypatch.setattr(zoo, "_create_timm", refuse)
    with pytest.raises(ModelError, match=r"timm:resnet18 are not in the cache .*\(An error happened\)") as caught:
        load_model("timm:resnet18")
    assert "\n" not in str(caught.value)


# Checkpoints

WRAPPINGS = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state},
    "list": lambda state: {"state_dict": [state, {}]},
    "DataParallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "compiled": lambda state: {"model": {f"_orig_mod.module.{name}": tensor for name, tensor in state.items()}},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_wrapped_state_dicts(tmp_path: Path, checkpoint: Path, squeezenet: nn.Module, wrapping: str) -> None:
    torch.save(WRAPPINGS[wrapping](squeezenet.state_dict()), tmp_path / "wrapped.pth")
    plain = load_model(f"checkpoint:{checkpoint}@squeezenet1_1")
    model = load_model(f"checkpoint:{tmp_path}/wrapped.pth@squeezenet1_1")
    assert model.digest == plain.digest
    assert model.preprocessing.resize == 256


def test_fine_tuned_heads_need_no_word(tmp_path: Path) -> None:
    torch.save(import_torchvision().models.squeezenet1_1(num_classes=12).state_dict(), tmp_path / "pets.pth")
    assert load_model(f"checkpoint:{tmp_path}/pets.pth@squeezenet1_1").num_classes == 12


def misfit(checkpoint: Path, state: dict[str, torch.Tensor]) -> str:
    torch.save(state, checkpoint)
    with pytest.raises(ModelError, match=r"does not fit squeezenet1_1") as caught:
        load_model(f"checkpoint:{checkpoint}@squeezenet1_1")
    return str(caught.value)


def test_missing_and_unexpected_names_are_reported(checkpoint: Path, squeezenet: nn.Module) -> None:
    state = dict(squeezenet.state_dict())
    state["head.weight"] = state.pop("features.0.weight")
    assert "1 missing: features.0.weight; 1 unexpected: head.weight" in misfit(checkpoint, state)
    del state["head.weight"]
    state["features.0.weight"] = torch.zeros(64, 3, 5, 5)
    state["features.0.bias"] = torch.zeros(32)
    told = misfit(checkpoint, state)
    assert (
        "2 of another shape: features.0.bias (32,) for (64,), features.0.weight (64, 3, 5, 5) for (64, 3, 3, 3)" in told
    )


class Trainer:
    """What a careless training script saves."""


def test_pickles_that_need_code_are_refused_with_a_way_out(checkpoint: Path, squeezenet: nn.Module) -> None:
    for content in ({"trainer": Trainer(), "state_dict": squeezenet.state_dict()}, squeezenet):
        torch.save(content, checkpoint)
        with pytest.raises(ModelError, match=r"could run code when read \(Unsupported .*\); if you trust") as caught:
            load_model(f"checkpoint:{checkpoint}@squeezenet1_1")
        assert "\n" not in str(caught.value)


def test_old_pickles_that_run_code_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    path.write_bytes(
        pickle.dumps({"weights": type("Evil", (), {"__reduce__": lambda _: (os.mkdir, (str(tmp_path / "x"),))})()})
    )
    with pytest.raises(ModelError, match=r"old\.pth"):
        load_model(f"checkpoint:{path}@squeezenet1_1")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a checkpoint at all", bytes(100)])
def test_damaged_checkpoints_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=name) as caught:
        load_model(f"checkpoint:{tmp_path / name}@squeezenet1_1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [{"epoch": 3, "lr": 0.1}, [], {}, torch.zeros(3)])
def test_checkpoints_without_weights(checkpoint: Path, content: object) -> None:
    torch.save(content, checkpoint)
    with pytest.raises(ModelError, match="expected a state dict"):
        load_model(f"checkpoint:{checkpoint}@squeezenet1_1")


# Factories


def test_the_example(tmp_path: Path) -> None:
    model = load_model(RESNET20)
    assert (model.num_classes, model.preprocessing.crop, model.training) == (10, 32, False)
    assert sum(p.numel() for p in model.parameters()) == 269_722  # He et al. 2016, table 6: 0.27 million


def test_example_as_architecture_of_a_checkpoint(tmp_path: Path) -> None:
    torch.save(load_model(RESNET20).network.state_dict(), tmp_path / "net.pth")
    model = load_model(f"checkpoint:{tmp_path}/net.pth@{RESNET20}")
    assert model.source == f"checkpoint:{tmp_path}/net.pth@{RESNET20}"
    assert model.preprocessing.std == (0.229, 0.224, 0.225)


def test_installed_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/__init__.py").touch()
    factory_file(tmp_path / "nets", "def make():\n    return nn.Sequential(nn.Flatten(), nn.LazyLinear(4))")
    monkeypatch.syspath_prepend(tmp_path)
    model = load_model("python:nets.mine:make", crop=16)
    assert model.num_classes == 4
    assert model.preprocessing == Preprocessing(crop=16)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def make():\n    return 3", "returns a int; expected a torch.nn.Module"),
        ("def make():\n    raise OSError('no weights')", "make of .*mine.py fails: OSError: no weights"),
        ("def makes():\n    pass", "did you mean makes"),
        ("make = 3", "no function in .*mine.py named 'make'"),
        ("import nothing_of_that_name", "mine.py cannot be imported: ModuleNotFoundError"),
        ("def make():\n    return nn.Conv2d(3, 5, 3)", r"gives \(2, 5, 30, 30\) for 2 images; expected logits"),
        ("def make():\n    return nn.Linear(5, 5)", "fails on a batch of 224x224 images: .*--model-size"),
        (
            "class N(nn.Module):\n    def forward(self, x):\n        return x.mean((2, 3)) * float('nan')\n\nmake = N",
            "gives NaN or infinite logits",
        ),
        (
            "class N(nn.Module):\n    def forward(self, x):\n        return {'logits': x.mean((2, 3))}\n\nmake = N",
            "gives a dict; expected logits",
        ),
        ("def make():\n    net = nn.Identity()\n    net.preprocessing = {'size': 3}\n    return net", "not size"),
    ],
)
def test_bad_factories(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(StormbenchError, match=message):
        load_model(factory_file(tmp_path, body))


def test_a_failed_file_is_read_again(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        load_model(factory_file(tmp_path, "1 / 0"))
    assert load_model(factory_file(tmp_path, "def make():\n    return nn.Sequential(nn.Flatten(), nn.LazyLinear(2))"))


# The model itself


def test_normalisation_is_inside(tmp_path: Path) -> None:
    spec = factory_file(
        tmp_path, "class N(nn.Module):\n    def forward(self, x):\n        return x.mean((2, 3))\n\nmake = N"
    )
    model = load_model(spec, mean=(0.5, 0.25, 0.0), std=(0.5, 1.0, 0.1))
    expected = (images(32).mean((2, 3)) - torch.tensor([0.5, 0.25, 0.0])) / torch.tensor([0.5, 1.0, 0.1])
    torch.testing.assert_close(model(images(32)), expected)


def test_settings_of_the_user_win(checkpoint: Path) -> None:
    spec = f"checkpoint:{checkpoint}@squeezenet1_1"
    model = load_model(spec, mean=(0.4, 0.4, 0.4), std=(1, 1, 1), resize=300, crop=256, interpolation="bicubic")
    assert model.preprocessing == Preprocessing(300, 256, "bicubic", (0.4, 0.4, 0.4), (1.0, 1.0, 1.0))


@pytest.mark.parametrize("change", [{"std": (0, 1, 1)}, {"mean": (1, 2)}, {"interpolation": "lanczos"}, {"crop": 0}])
def test_nonsense_settings_are_refused(checkpoint: Path, change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        load_model(f"checkpoint:{checkpoint}@squeezenet1_1", **change)


def test_other_sizes_are_resized_with_antialiasing(checkpoint: Path) -> None:
    model = load_model(f"checkpoint:{checkpoint}@squeezenet1_1")
    larger = images(299)
    resized = torch.nn.functional.interpolate(larger, (224, 224), mode="bilinear", antialias=True)
    torch.testing.assert_close(model(larger), model(resized))


def test_gradients_reach_the_pixels(checkpoint: Path) -> None:
    model = load_model(f"checkpoint:{checkpoint}@squeezenet1_1")
    pixels = images(64).requires_grad_()
    model(pixels).sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().sum() > 0


def test_digest_follows_the_weights(checkpoint: Path) -> None:
    spec = f"checkpoint:{checkpoint}@squeezenet1_1"
    one, other = load_model(spec), load_model(spec, mean=(0.5, 0.5, 0.5))
    assert one.digest == other.digest
    with torch.no_grad():
        other.network.features[0].bias[0] += 1e-3
    assert one.digest != other.digest


def logits_of(model: Model, pixels: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(pixels)).numpy()


@pytest.mark.parametrize("kind", ["a file", "torchvision"])
def test_models_reach_worker_processes(kind: str, checkpoint: Path) -> None:
    model = load_model(RESNET20 if kind == "a file" else f"checkpoint:{checkpoint}@squeezenet1_1")
    pixels = images(32).numpy()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(_unpickle_and_call, pickle.dumps(model), pixels).result()
    np.testing.assert_allclose(there, logits_of(model, pixels), rtol=1e-4, atol=1e-5)


def _unpickle_and_call(content: bytes, pixels: np.ndarray) -> np.ndarray:
    return logits_of(pickle.loads(content), pixels)


def test_copies_are_whole_and_independent() -> None:
    model = load_model(RESNET20)
    twin = copy.deepcopy(model)
    assert (twin.digest, twin.source, twin.num_classes) == (model.digest, model.source, 10)
    with torch.no_grad():
        twin.network.linear.bias += 1
    assert twin.digest != model.digest


# Real weights


def accuracy(model: Model, data: ImageSet, geometry: Geometry) -> float:
    labels = match_classes(data, model.num_classes)
    right = 0
    for start in range(0, len(data), 50):
        batch = [geometry(data.read(index)) for index in range(start, min(start + 50, len(data)))]
        pixels = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            right += int((model(pixels).argmax(1).numpy() == labels[start : start + len(batch)]).sum())
    return right / len(data)


@pytest.mark.parametrize(("file", "layers", "expected"), [("resnet20-12fca82f.th", 20, 0.915)])
def test_cifar_resnet_has_its_known_accuracy(shared: Path, file: str, layers: int, expected: float) -> None:
    model = load_model(f"checkpoint:{shared}/data/cifar10-weights/{file}@python:{EXAMPLE}:resnet{layers}")
    assert accuracy(model, open_images(shared / "data/cifar10/cifar10_test_first1000.npz"), Geometry()) == expected


@pytest.mark.slow
@pytest.mark.parametrize(("name", "expected"), [("squeezenet1_1", 0.708), ("squeezenet1_0", 0.700)])
def test_squeezenet_has_its_known_accuracy(shared: Path, name: str, expected: float) -> None:
    """The data's README states 70.5 and 70.3 % on 1,300 images of the source; 500 of them lie here."""
    bgr_means = (123 / 255, 117 / 255, 104 / 255)
    spec = f"checkpoint:{shared}/data/imagenet-weights/{name}.pth@{name}"
    model = load_model(spec, mean=bgr_means, std=(1 / 255, 1 / 255, 1 / 255))
    assert accuracy(model, open_images(shared / "data/imagenet/val"), Geometry(224, 224)) == expected


# The guard


def test_guard_does_nothing_where_torchvision_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    from stormbench import torchvision_guard

    loaded = import_torchvision()
    monkeypatch.setattr(torch.library, "define", lambda *_: pytest.fail("declared an operator for nothing"))
    torchvision_guard.import_torchvision.cache_clear()
    assert torchvision_guard.import_torchvision() is loaded


def test_all_imports_of_torchvision_and_timm_go_through_the_guard() -> None:
    root = Path(__file__).parents[3]
    folders = ["core", "corruptions", "metrics", "defenses", "datasets", "benchmarks"]
    for path in (path for folder in folders for path in (root / folder).rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        assert not {name.split(".")[0] for name in names} & {"torchvision", "timm"}, path


def test_model_sources_need_no_torch() -> None:
    import subprocess

    code = "import sys, stormbench.benchmarks.models.sources; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert importlib.import_module("stormbench.benchmarks.models.sources").MODEL_SOURCES
