"""Models that misbehave in the middle of a run: one sentence that names the batch, and nothing counted."""

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from stormbench.benchmarks import evaluate, load_model, score
from stormbench.benchmarks.evaluation.verify import verify
from stormbench.benchmarks.results.images import read_outcomes
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.errors import ModelError

Start = Callable[..., "subprocess.Popen[str]"]
FEW = SUITES["cifar-c"].narrowed(["contrast"], [1, 3])

# Counts batches of more than two images only: those of two are the trial before the run.
BODY = """
import sys
import torch
from torch import nn

class N(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.calls, self.fc = 0, nn.Linear(3, 10)

    def forward(self, x):
        logits = self.fc(x.mean((2, 3)))
        if len(x) > 2:
            self.calls += 1
        if self.calls >= 3:
            {then}
        return logits

make = N
"""
MISBEHAVIOUR = {
    "raise ValueError('too many\\nimages')": "the model fails on {}: ValueError: too many",
    "sys.exit(0)": "the model fails on {}: it calls sys.exit(0)",
    "return None": "the model gives a NoneType for {}; expected logits",
    "return logits, logits": "the model gives a tuple for {}; expected logits",
    "return logits[:, :9]": "the model gives logits of shape (8, 9) for {}; expected (8, 10)",
    "return logits[:7]": "the model gives logits of shape (7, 10) for {}; expected (8, 10)",
    "return logits.sum()": "the model gives logits of shape () for {}; expected (8, 10)",
    "logits[5, 3] = float('inf')": "the model gives NaN or infinite logits for '{image}' of {}; expected finite",
    "logits[5, 3] = float('nan')": "the model gives NaN or infinite logits for '{image}' of {}; expected finite",
}


def factory(folder: Path, then: str) -> str:
    (folder / "mine.py").write_text(BODY.format(then=then))
    return f"python:{folder}/mine.py:make"


@pytest.mark.parametrize("then", MISBEHAVIOUR)
def test_third_batches_of_images(tmp_path: Path, then: str) -> None:
    spec = factory(tmp_path, then)
    with pytest.raises(ModelError) as caught:
        score(spec, "digits", FEW, out=tmp_path, limit=8, batch_size=8)
    # The first shard asks in its order of cells: clean, severity 1, severity 3.
    where = "the batch '1297' to '1304' (contrast, severity 3)"
    assert MISBEHAVIOUR[then].format(where, image="1302") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.json"))
    assert not list(tmp_path.rglob("shard-*"))


def test_frames_are_named(tmp_path: Path) -> None:
    spec = factory(tmp_path, "logits[5, 3] = float('inf')")
    suite = SUITES["cifar-p"].narrowed(["brightness"], None)
    with pytest.raises(ModelError, match=r"'1297, frame \d+' of the batch '1297, frame 17' to '1297, frame 24'"):
        evaluate(spec, "digits", suite, out=tmp_path, limit=1, batch_size=8)


def test_the_run_goes_on_once_the_model_is_mended(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        score(factory(tmp_path, "return logits[:, :9]"), "digits", FEW, out=tmp_path / "o", limit=24, batch_size=8)
    (tmp_path / "mended").mkdir()
    spec = factory(tmp_path / "mended", "pass")
    name = load_model(f"python:{tmp_path}/mine.py:make").source
    _, result = score(spec, "digits", FEW, out=tmp_path / "o", limit=24, batch_size=8)
    assert [cell.images for cell in result.cells] == [24, 24, 24]
    assert name != result.model.source


def test_the_command_line_says_it_in_one_line(start: Start, tmp_path: Path) -> None:
    spec = factory(tmp_path, "sys.exit(0)")
    run = start("score", spec, "--data", "digits", "--suite", "cifar-c", "--limit", "8", "--batch-size", "8")
    _, said = run.communicate()
    assert run.returncode == 1
    assert "Traceback" not in said
    assert "it calls sys.exit(0)" in said


# Randomness that a factory brings along

RANDOM = {
    "a defense": "make = lambda: defend(N(), 'resize-pad')",
    "torch": "class R(N):\n    def forward(self, x):\n"
    "        return super().forward(x + torch.randn_like(x))\n\nmake = R",
    "numpy": "import numpy as np\nclass R(N):\n    def forward(self, x):\n"
    "        return super().forward(x + torch.from_numpy(np.random.normal(size=x.shape)).float())\n\nmake = R",
    "random": "import random\nclass R(N):\n    def forward(self, x):\n"
    "        return super().forward(x + torch.tensor([random.random() for _ in x]).view(-1, 1, 1, 1))\n\nmake = R",
}
SENSITIVE = """
import torch
from torch import nn
from stormbench.defenses import defend

class N(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 5, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(800, 10))
        nn.init.normal_(self.body[3].weight)
        self.preprocessing = {"crop": 32}

    def forward(self, x):
        return self.body(nn.functional.interpolate(x, (32, 32)))

"""


@pytest.mark.parametrize("kind", RANDOM)
def test_counts_of_random_factories_depend_on_the_seed_alone(tmp_path: Path, kind: str) -> None:
    (tmp_path / "random_net.py").write_text(SENSITIVE + RANDOM[kind])
    spec = f"python:{tmp_path}/random_net.py:make"
    model = load_model(spec)
    before = random.getstate(), np.random.get_state()[1].tolist()
    predictions = []
    for number, (seed, size) in enumerate([(0, 24), (0, 24), (1, 24)]):
        out = tmp_path / str(number)
        path, result = score(model, "digits", FEW, out=out, limit=24, batch_size=size, seed=seed)
        predictions.append(read_outcomes(path, result).prediction)
        torch.rand(number + 1)
    np.testing.assert_array_equal(predictions[0], predictions[1])
    assert (predictions[0] != predictions[2]).any()
    after = random.getstate(), np.random.get_state()[1].tolist()
    assert after == before
    assert verify(tmp_path / "0" / path.name, spec, "digits", sample=1.0).passed


@pytest.mark.slow
def test_a_random_factory_does_not_depend_on_the_workers(tmp_path: Path) -> None:
    (tmp_path / "random_net.py").write_text(SENSITIVE + RANDOM["a defense"])
    spec = f"python:{tmp_path}/random_net.py:make"
    found = [
        score(spec, "digits", FEW, out=tmp_path / str(workers), limit=24, batch_size=8, workers=workers).path
        for workers in (0, 2)
    ]
    assert found[0].with_suffix(".npz").read_bytes() == found[1].with_suffix(".npz").read_bytes()
