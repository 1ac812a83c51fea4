"""``stormbench score --precision`` and ``stormbench gate`` as a user and a CI job run them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import Result
from typer.testing import CliRunner

from stormbench.cli import app
from stormbench.errors import InputError

Run = Callable[..., subprocess.CompletedProcess[str]]

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
SHORT = (
    "--data",
    "digits",
    "--suite",
    "cifar-c",
    "--corruptions",
    "pixelate,contrast",
    "--limit",
    "200",
    "--workers",
    "0",
)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line in this process, in a folder of its own: loading torch anew for each call takes seconds."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments)])


def test_a_precision_is_said_with_its_passes(command: Callable[..., Result], tmp_path: Path) -> None:
    scored = command("score", PLAIN, *SHORT, "--precision", "5", "-o", "results")
    assert scored.exit_code == 0, scored.stderr
    assert "of 2,000 passes; if you keep looking: " in scored.stdout
    assert "mean error" in scored.stdout
    assert "pixelate" in scored.stdout
    (path,) = (tmp_path / "results").glob("*.json")
    assert json.loads(path.read_text())["plan"]["precision"] == 5
    refused = command("score", PLAIN, *SHORT, "--precision", "5", "--skip-broken")
    assert isinstance(refused.exception, InputError)
    assert "--skip-broken" in str(refused.exception)


def test_gates_exit_with_what_they_found(command: Callable[..., Result], tmp_path: Path) -> None:
    """0 for not worse; 2 for a budget that is too small, and for whatever goes wrong, a report in each case."""
    passed = command("gate", PLAIN, PLAIN, "--worse", "40", *SHORT, "-o", "gate")
    assert passed.exit_code == 0, passed.stderr
    assert "is not worse than" in passed.stdout
    assert "is not worse than" in (tmp_path / "gate" / "gate.md").read_text()
    assert json.loads((tmp_path / "gate" / "gate.json").read_text())["verdict"] == "not_worse"
    case = ElementTree.parse(tmp_path / "gate" / "gate.xml").find(".//testcase")
    assert case is not None
    assert case.find("failure") is case.find("error") is None
    unsure = command("gate", PLAIN, PLAIN, "--worse", "0.1", "--budget", "100", *SHORT, "-o", "gate")
    assert unsure.exit_code == 2
    assert "may or may not be worse" in unsure.stdout
    assert ElementTree.parse(tmp_path / "gate" / "gate.xml").find(".//error") is not None
    broken = command("gate", "no:model", PLAIN, "--worse", "1", *SHORT, "-o", "gate")
    assert broken.exit_code == 2
    assert "Traceback" not in broken.stderr
    assert not (tmp_path / "gate" / "gate.json").exists()
    assert "no" in (tmp_path / "gate" / "gate.md").read_text()


def test_a_worse_model_exits_with_1(stormbench: Run, tmp_path: Path) -> None:
    worse = tmp_path / "worse.py"
    worse.write_text(
        "import torch\n"
        "from stormbench.benchmarks.demo.networks import plain\n\n\n"
        "class Turned(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.inner = plain()\n\n"
        "    def forward(self, images):\n"
        "        return self.inner(images).roll(1, dims=1)\n\n\n"
        "def turned():\n"
        "    return Turned()\n"
    )
    failed = stormbench("gate", f"python:{worse}:turned", PLAIN, "--worse", "30", *SHORT, "-o", "gate")
    assert failed.returncode == 1, failed.stderr
    assert "is worse than" in failed.stdout
    assert ElementTree.parse(tmp_path / "gate" / "gate.xml").find(".//failure") is not None
