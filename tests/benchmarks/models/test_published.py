"""Checkpoints as people publish them: containers, prefixes, averaged weights, normalisers, old and foreign names."""

import logging
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from stormbench.benchmarks.models.loading import load_model
from stormbench.errors import ModelError, UnknownNameError
from stormbench.torchvision_guard import import_timm, import_torchvision

NETWORK = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
"""
State = dict[str, Tensor]


@pytest.fixture
def architecture(tmp_path: Path) -> str:
    (tmp_path / "small.py").write_text(NETWORK)
    return f"python:{tmp_path}/small.py:make"


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    ).eval()


def prefixed(prefix: str, state: State) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def spec_of(tmp_path: Path, content: Any, architecture: str, part: str = "") -> str:
    torch.save(content, tmp_path / "net.pth")
    return f"checkpoint:{tmp_path}/net.pth{part}@{architecture}"


def images(side: int = 32) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))


def same_weights(loaded: nn.Module, expected: nn.Module) -> bool:
    ours, theirs = loaded.state_dict(), expected.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


CONTAINERS = [
    *("ema", "model_ema", "state_dict_ema", "state", "model_state", "weights", "last", "unaveraged_model_state_dict"),
    *("state_dict", "model", "net", "model_state_dict"),
]
PREFIXES = ["model.", "net.", "backbone.", "module.model.", "module.0.", "module.attacker.model.", "module._orig_mod."]


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers(tmp_path: Path, architecture: str, container: str) -> None:
    content = {container: network().state_dict(), "epoch": 3}
    assert same_weights(load_model(spec_of(tmp_path, content, architecture)).network, network())


@pytest.mark.parametrize("prefix", PREFIXES)
def test_one_prefix_that_explains_all_is_dropped(tmp_path: Path, architecture: str, prefix: str) -> None:
    content = {"state_dict": prefixed(prefix, network().state_dict())}
    assert same_weights(load_model(spec_of(tmp_path, content, architecture)).network, network())


def test_own_submodule_of_a_wrapper_s_name_stays(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        NETWORK
        + "\nclass Own(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.model = make()\n"
        "    def forward(self, x):\n        return self.model(x)\n"
    )
    spec = spec_of(tmp_path, prefixed("model.", network().state_dict()), f"python:{tmp_path}/own.py:Own")
    assert same_weights(load_model(spec).network.model, network())


def test_a_prefix_that_does_not_explain_all_is_an_error(tmp_path: Path, architecture: str) -> None:
    state = prefixed("model.", network().state_dict())
    del state["model.0.weight"]
    with pytest.raises(ModelError, match=r"net\.pth does not fit .*missing"):
        load_model(spec_of(tmp_path, state, architecture))


def test_weights_beside_the_prefix_are_not_dropped_in_silence(
    tmp_path: Path, architecture: str, caplog: pytest.LogCaptureFixture
) -> None:
    state = prefixed("model.", network().state_dict()) | {"projector.weight": torch.zeros(5, 5)}
    with pytest.raises(ModelError, match=r"'model\.' and beside it projector\.weight.*write #model after its name"):
        load_model(spec_of(tmp_path, state, architecture))
    with caplog.at_level(logging.INFO):
        model = load_model(spec_of(tmp_path, state, architecture, "#model"))
    assert same_weights(model.network, network())
    assert "left out projector.weight" in caplog.text


def test_several_sets_of_weights_are_told_apart(tmp_path: Path, architecture: str) -> None:
    state = prefixed("student.", network(0).state_dict()) | prefixed("teacher.", network(1).state_dict())
    with pytest.raises(ModelError, match=r"several sets of weights.*#student or #teacher"):
        load_model(spec_of(tmp_path, state, architecture))
    for seed, part in enumerate(["#student", "#teacher"]):
        assert same_weights(load_model(spec_of(tmp_path, state, architecture, part)).network, network(seed))


# Averaged weights


@pytest.mark.parametrize("name", ["ema", "model_ema", "state_dict_ema"])
def test_averaged_weights_are_taken_where_asked_for(
    tmp_path: Path, architecture: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = {"state_dict": network(0).state_dict(), name: prefixed("module.", network(1).state_dict())}
    with caplog.at_level(logging.INFO):
        plain = load_model(spec_of(tmp_path, content, architecture))
    assert same_weights(plain.network, network(0))
    assert plain.source == f"checkpoint:{tmp_path}/net.pth#state_dict@{architecture}"
    assert f"took state_dict; it also holds {name} " in caplog.text
    for part in ("#ema", f"#{name}"):
        averaged = load_model(spec_of(tmp_path, content, architecture, part))
        assert same_weights(averaged.network, network(1))
        assert averaged.source == f"checkpoint:{tmp_path}/net.pth#{name}@{architecture}"


def test_averaged_model_of_torch(tmp_path: Path, architecture: str) -> None:
    averaged = torch.optim.swa_utils.AveragedModel(network())
    averaged.update_parameters(network())
    model = load_model(spec_of(tmp_path, averaged.state_dict(), architecture))
    assert same_weights(model.network, network())


def test_parts_that_are_not_there_are_named(tmp_path: Path, architecture: str) -> None:
    content = {"state_dict": network().state_dict(), "epoch": 3}
    with pytest.raises(ModelError, match=r"has no part 'ema'; it holds a dictionary of state_dict, epoch"):
        load_model(spec_of(tmp_path, content, architecture, "#ema"))


def test_number_signs_in_file_names(tmp_path: Path, architecture: str) -> None:
    torch.save(network().state_dict(), tmp_path / "run#3.pth")
    assert same_weights(load_model(f"checkpoint:{tmp_path}/run#3.pth@{architecture}").network, network())


# Normalisers


def madry() -> State:
    """As the MadryLab library saves: the network twice, and its normaliser twice."""
    normaliser = {
        "new_mean": torch.tensor([0.4914, 0.4822, 0.4465]).view(3, 1, 1),
        "new_std": torch.tensor([0.2023, 0.1994, 0.2010]).view(3, 1, 1),
    }
    state = network().state_dict()
    return (
        prefixed("module.normalizer.", normaliser)
        | prefixed("module.model.", state)
        | prefixed("module.attacker.normalize.", normaliser)
        | prefixed("module.attacker.model.", state)
    )


@pytest.mark.parametrize("part", ["", "#model", "#module.model", "#module.attacker.model"])
def test_a_normaliser_in_the_file_is_used(tmp_path: Path, architecture: str, part: str) -> None:
    model = load_model(spec_of(tmp_path, {"model": madry(), "epoch": 3}, architecture, part))
    assert model.preprocessing.mean == pytest.approx((0.4914, 0.4822, 0.4465))
    assert model.preprocessing.std == pytest.approx((0.2023, 0.1994, 0.2010))
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)))
    torch.testing.assert_close(model(images()), network()((images() - mean) / std))


def test_the_user_s_normaliser_wins(tmp_path: Path, architecture: str) -> None:
    model = load_model(spec_of(tmp_path, madry(), architecture), mean=(0, 0, 0), std=(1, 1, 1))
    torch.testing.assert_close(model(images()), network()(images()))


def test_two_normalisers_are_refused(tmp_path: Path, architecture: str) -> None:
    state = madry() | {"module.other.mean": torch.tensor([0.1, 0.1, 0.1]), "module.other.std": torch.ones(3)}
    with pytest.raises(ModelError, match="several normalisers"):
        load_model(spec_of(tmp_path, state, architecture))


# What torchvision loads under a name


def build(name: str, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    made: nn.Module = import_torchvision().models.get_model(name, weights=None, **options)
    return made.eval()


def check_as_built(model: nn.Module, built: nn.Module, side: int) -> None:
    with torch.no_grad():
        normalised = (images(side) - model.mean) / model.std
        torch.testing.assert_close(model(images(side)), built(normalised), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_state_dicts_that_need_their_version(tmp_path: Path, ending: str) -> None:
    built = build("mnasnet0_5")
    path = tmp_path / f"net.{ending}"
    save_file(built.state_dict(), path) if ending == "safetensors" else torch.save(built.state_dict(), path)
    check_as_built(load_model(f"checkpoint:{path}@mnasnet0_5"), built, 224)
    torch.save({"state_dict": nn.DataParallel(built).state_dict()}, tmp_path / "parallel.pth")
    check_as_built(load_model(f"checkpoint:{tmp_path}/parallel.pth@mnasnet0_5"), built, 224)


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("googlenet", ("aux1", "aux2")),
        pytest.param("inception_v3", ("AuxLogits",), marks=pytest.mark.slow),
    ],
)
def test_optional_heads(tmp_path: Path, name: str, heads: tuple[str, ...]) -> None:
    built = build(name, init_weights=False, transform_input=True)
    side = 224 if name == "googlenet" else 299
    whole = spec_of(tmp_path, built.state_dict(), name)
    assert load_model(whole).network.state_dict().keys() == built.state_dict().keys()
    without = {key: value for key, value in built.state_dict().items() if not key.startswith(heads)}
    check_as_built(load_model(spec_of(tmp_path, without, name)), built, side)
    fine_tuned = deepcopy(built)
    fine_tuned.fc = nn.Linear(built.fc.in_features, 7)
    model = load_model(spec_of(tmp_path, fine_tuned.state_dict(), name))
    assert model.num_classes == 7
    check_as_built(model, fine_tuned, side)


def test_old_names_of_densenet(tmp_path: Path) -> None:
    built = build("densenet121")
    number = re.compile(r"(\.denselayer\d+\.(?:norm|conv))([12])")
    old = {number.sub(r"\1.\2", name): tensor for name, tensor in built.state_dict().items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    check_as_built(load_model(spec_of(tmp_path, old, "densenet121")), built, 224)


# timm


def official_convnext(state: State) -> State:
    """timm's names of a ConvNeXt turned into those of its authors."""
    pairs = [
        ("stem.", "downsample_layers.0."),
        (r"stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
        (r"stages\.(\d)\.blocks\.(\d+)\.", r"stages.\1.\2."),
        (r"conv_dw\.", "dwconv."),
        (r"mlp\.fc1\.", "pwconv1."),
        (r"mlp\.fc2\.", "pwconv2."),
        (r"head\.norm\.", "norm."),
        (r"head\.fc\.", "head."),
    ]
    renamed = {}
    for name, tensor in state.items():
        for ours, theirs in pairs:
            name = re.sub(f"^{ours}" if ours.startswith(("stem", "head")) else ours, theirs, name)
        renamed[name] = tensor
    return renamed


@pytest.mark.parametrize("classes", [1000, 7])
def test_official_names_are_brought_to_timm_s(tmp_path: Path, classes: int) -> None:
    torch.manual_seed(0)
    built = import_timm().create_model("convnext_atto", num_classes=classes).eval()
    state = official_convnext(built.state_dict())
    linear = {name: tensor.flatten(1) for name, tensor in state.items() if "pwconv" in name and tensor.ndim == 4}
    assert "stages.0.0.dwconv.weight" in state
    assert "head.weight" in state
    model = load_model(spec_of(tmp_path, {"model": state | linear}, "timm:convnext_atto"))
    assert same_weights(model.network, built)


@pytest.mark.parametrize("spell", ["timm:resnet18.nope", "checkpoint:{0}/net.pth@timm:resnet18.nope"])
def test_timm_tags_that_do_not_exist(tmp_path: Path, spell: str) -> None:
    torch.save(network().state_dict(), tmp_path / "net.pth")
    with pytest.raises(UnknownNameError, match=r"timm weights of resnet18 named 'nope'.*a1_in1k") as caught:
        load_model(spell.format(tmp_path))
    assert "\n" not in str(caught.value)


# Files that are something else


class Scripted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_torchscript_is_called_by_its_name(tmp_path: Path, architecture: str) -> None:
    torch.jit.save(torch.jit.script(Scripted()), tmp_path / "net.pt")
    with pytest.raises(ModelError, match=r"net\.pt is a TorchScript archive") as caught:
        load_model(f"checkpoint:{tmp_path}/net.pt@{architecture}")
    assert "\n" not in str(caught.value)
    assert "weights_only=False" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(600), b"GIF89a" + bytes(600)])
def test_images_are_no_reason_to_advise_unsafe_loading(tmp_path: Path, architecture: str, content: bytes) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(ModelError, match=r"photo\.jpg is not a checkpoint") as caught:
        load_model(f"checkpoint:{tmp_path}/photo.jpg@{architecture}")
    assert "trust" not in str(caught.value)


def test_what_exists_is_not_said_to_be_missing(tmp_path: Path, architecture: str) -> None:
    with pytest.raises(ModelError, match="it is a folder; expected a checkpoint file"):
        load_model(f"checkpoint:{tmp_path}@{architecture}")
    with pytest.raises(ModelError, match="it is not a regular file; expected a checkpoint file"):
        load_model(f"checkpoint:/dev/zero@{architecture}")


UNUSUAL: dict[str, Callable[[Tensor], Tensor]] = {
    "sparse": lambda weight: weight.to_sparse(),
    "meta": lambda weight: weight.to("meta"),
    "quantised": lambda weight: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", UNUSUAL)
def test_unusual_tensors_are_named(tmp_path: Path, architecture: str, kind: str) -> None:
    state = network().state_dict()
    state["4.weight"] = UNUSUAL[kind](state["4.weight"])
    with pytest.raises(ModelError, match=rf"holds 4\.weight as a {kind} tensor"):
        load_model(spec_of(tmp_path, state, architecture))


def test_expanded_tensors_load(tmp_path: Path, architecture: str) -> None:
    state = network().state_dict()
    state["4.weight"] = torch.zeros(1).expand(5, 4)
    assert not load_model(spec_of(tmp_path, state, architecture)).network[4].weight.any()
