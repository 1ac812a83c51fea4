"""Networks that misbehave, and networks that only look as if: what ``load_model`` says, and how they travel."""

import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stormbench.benchmarks.models.loading import load_model
from stormbench.benchmarks.models.model import Model
from stormbench.errors import ModelError, StormbenchError

HEAD = "import sys\nimport torch\nfrom torch import nn\nfrom torch.nn import functional as F\n\n"
CONV = (
    "class N(nn.Module):\n    def __init__(self):\n        super().__init__()\n        torch.manual_seed(0)\n"
    "        self.conv, self.norm, self.fc = nn.Conv2d(3, 8, 3), {norm}, nn.Linear(8, 5)\n"
    "    def forward(self, x):\n        return self.fc({call}.relu().mean((2, 3)))\n"
    "    {more}\n\nmake = N"
)


def factory(folder: Path, body: str) -> str:
    path = folder / "mine.py"
    path.write_text(HEAD + body + "\n")
    return f"python:{path}:make"


def conv(norm: str, call: str = "self.norm(self.conv(x))", more: str = "pass") -> str:
    return CONV.format(norm=norm, call=call, more=more)


def images(count: int = 4) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


TRAINING = {
    "eval does nothing": conv("nn.BatchNorm2d(8)", more="def train(self, mode=True): return super().train(True)"),
    "without running statistics": conv("nn.BatchNorm2d(8, track_running_stats=False)"),
    "training written into the call": conv("nn.Identity()", "F.batch_norm(self.conv(x), None, None, training=True)"),
    "a layer out of reach": conv("[nn.BatchNorm2d(8)]", "self.norm[0](self.conv(x))"),
    "centred on the batch": conv("nn.Identity()", "(self.conv(x) - self.conv(x).mean(0))"),
}


@pytest.mark.parametrize("kind", TRAINING)
def test_answers_that_depend_on_batch_mates_are_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ModelError, match=r"mine\.py:make answers to an image according to the other images") as caught:
        load_model(factory(tmp_path, TRAINING[kind]))
    assert "\n" not in str(caught.value)


INDEPENDENT = {
    "batch norm": conv("nn.BatchNorm2d(8)"),
    "group norm": conv("nn.GroupNorm(2, 8)"),
    "dropout that stays on": conv("nn.Identity()", "F.dropout(self.conv(x), 0.5, training=True)"),
    "noise": conv("nn.Identity()", "(self.conv(x) + torch.randn_like(self.conv(x)))"),
    "half precision inside": conv("nn.Identity()", "self.conv(x).to(torch.bfloat16).float()"),
    "a random defense": conv("nn.Identity()", "self.conv(x)")
    + "\nfrom stormbench.defenses import defend\nmake = lambda: defend(N(), 'resize-pad')",
}


@pytest.mark.parametrize("kind", INDEPENDENT)
def test_other_networks_are_not(tmp_path: Path, kind: str) -> None:
    assert load_model(factory(tmp_path, INDEPENDENT[kind])).num_classes == 5


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit(3)", r"mine\.py cannot be imported: it calls sys\.exit\(3\)"),
        ("def make():\n    sys.exit('bye')", r"make of .*mine\.py fails: it calls sys\.exit\(bye\)"),
        ("class N(nn.Module):\n    def forward(self, x):\n        sys.exit(1)\n\nmake = N", r"it calls sys\.exit\(1\)"),
        ("class N(nn.Module):\n    def forward(self, x):\n        return None\n\nmake = N", "gives a NoneType"),
        (
            "class N(nn.Module):\n    def forward(self, x):\n        return x.mean((2, 3)), 1\n\nmake = N",
            "gives a tuple",
        ),
        ("class N(nn.Module):\n    def forward(self, x):\n        raise OSError('a\\nb')\n\nmake = N", "OSError: a;"),
    ],
)
def test_networks_that_end_or_give_something_else(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_model(factory(tmp_path, body))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("torchvison:resnet50", r"no model source 'torchvison'; did you mean torchvision:resnet50\?"),
        ("Timm:resnet50", r"did you mean timm:resnet50\?"),
        ("chekpoint:net.pth@resnet50", r"did you mean checkpoint:net\.pth@resnet50\?"),
    ],
)
def test_misspelt_sources_are_corrected(spec: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(spec)


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "nets.py").mkdir()
    with pytest.raises(ModelError, match=r"nets\.py: it is no regular file"):
        load_model(f"python:{tmp_path}/nets.py:make")


# Imports of the user's own


def alone(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


IMPORTS = [
    "import torchvision\n\ndef make():\n    return torchvision.models.squeezenet1_1()",
    "def make():\n    from torchvision.models import squeezenet1_1\n    return squeezenet1_1()",
    "from timm.layers import GroupNorm\n\ndef make():\n    return nn.Sequential(nn.Flatten(), nn.LazyLinear(9))",
]


@pytest.mark.parametrize("body", [IMPORTS[0], *(pytest.param(body, marks=pytest.mark.slow) for body in IMPORTS[1:])])
def test_files_that_import_torchvision_themselves(tmp_path: Path, body: str) -> None:
    spec = factory(tmp_path, body)
    ended = alone(f"from stormbench.benchmarks import load_model; print(load_model({spec!r}).num_classes)")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() in ("1000", "9")


SECOND = """
import importlib.util
from pathlib import Path

def second():
    spec = importlib.util.spec_from_file_location("nets_of_mine", Path(__file__).with_name("nets_of_mine.py"))
    module = importlib.util.module_from_spec(spec)
    {register}
    spec.loader.exec_module(module)
    return module

def make():
    return second().N()
"""
FOREIGN = {
    "registered": SECOND.format(register="sys.modules['nets_of_mine'] = module"),
    "not registered": SECOND.format(register="pass"),
    "a local class": "def make():\n"
    "    class N(nn.Sequential):\n        pass\n    return N(nn.Flatten(), nn.Linear(3072, 4))",
    "a lambda": "class N(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.f = lambda x: x.mean((2, 3))\n    def forward(self, x):\n        return self.f(x)\n\nmake = N",
}


def test_classes_that_no_worker_could_import_travel(tmp_path: Path) -> None:
    (tmp_path / "nets_of_mine.py").write_text(HEAD + conv("nn.BatchNorm2d(8)"))
    models = []
    for number, body in enumerate(FOREIGN.values()):
        (tmp_path / f"mine{number}.py").write_text(HEAD + body)
        models.append(load_model(f"python:{tmp_path}/mine{number}.py:make"))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for kind, model in zip(FOREIGN, models, strict=True):
            there = pool.submit(_answers, pickle.dumps(model), images().numpy()).result()
            with torch.no_grad():
                expected = model(images())
            torch.testing.assert_close(torch.from_numpy(there), expected, rtol=1e-4, atol=1e-5, msg=kind)


def _answers(content: bytes, pixels: object) -> object:
    model: Model = pickle.loads(content)
    with torch.no_grad():
        return model(torch.from_numpy(pixels)).numpy()


def test_what_cannot_travel_is_said_in_one_sentence(tmp_path: Path) -> None:
    body = (
        "class N(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.f = sys._getframe()\n"
        "    def forward(self, x):\n        return x.mean((2, 3))\n\nmake = N"
    )
    model = load_model(factory(tmp_path, body))
    with pytest.raises(ModelError, match=r"mine\.py:make cannot be sent to worker processes .*--workers 0") as caught:
        pickle.dumps(model)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_an_unreachable_hub_is_not_tried_for_a_minute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("stormbench.torchvision_guard").import_timm()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
        monkeypatch.delenv(proxy.upper(), raising=False)
    ended = alone("from stormbench.benchmarks import load_model; load_model('timm:resnet10t.c3_in1k')")
    assert "the weights of timm:resnet10t.c3_in1k are not in the cache" in ended.stderr
    assert "Retrying" not in ended.stderr


def test_random_defenses_inside_a_factory_are_reseeded(tmp_path: Path) -> None:
    model = load_model(factory(tmp_path, INDEPENDENT["a random defense"]))
    answers = []
    for seed in (0, 1, 0):
        model.reseed(seed)
        with torch.no_grad():
            answers.append(model(images()))
    assert torch.equal(answers[0], answers[2])
    assert not torch.equal(answers[0], answers[1])


def test_errors_of_our_own_stay_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(StormbenchError, match="did you mean makes"):
        load_model(factory(tmp_path, "def makes():\n    return nn.Flatten()"))
