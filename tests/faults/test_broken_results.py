"""Broken files beside good results: each is named and left out, the rest is shown, and the command fails."""

import shutil
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from stormbench.benchmarks.evaluation.evaluate import score
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.cli import app
from stormbench.errors import ResultError

NETWORK = "python:stormbench.benchmarks.demo.networks:"
BROKEN = {
    "empty.json": "{}",
    "cut.json": '{"run": ',
    "old.json": '{"schema_version": 3, "created": "0001-01-01T00:00:00+23:59"}',
    "bare.tradeoff.json": '{"kind": "tradeoff"}',
    "nan.tradeoff.json": '{"kind": "tradeoff", "eps": NaN}',
    "plain.verified": "{}",
}


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored")
    suite = SUITES["cifar-c"].narrowed(["contrast"], [1])
    for name in ("plain", "noisy"):
        score(NETWORK + name, "digits", suite, out=folder, name=name, limit=20, batch_size=20)
    return folder


@pytest.fixture
def results(scored: Path, tmp_path: Path) -> Path:
    for suffix in (".json", ".npz"):
        (tmp_path / "results").mkdir(exist_ok=True)
        shutil.copy(scored / f"plain{suffix}", tmp_path / "results" / f"plain{suffix}")
    return tmp_path / "results"


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_left_out_of_the_board_and_named(results: Path, name: str) -> None:
    (results / name).write_text(BROKEN[name])
    run = command("leaderboard", results)
    assert run.exit_code == 1
    assert "cifar-c on 20 images of digits" in run.stdout
    assert isinstance(run.exception, ResultError)
    assert "1 broken files were left out: " in str(run.exception)
    assert name in str(run.exception)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_does_not_keep_others_from_being_filed(scored: Path, results: Path, name: str) -> None:
    (results / name).write_text(BROKEN[name])
    assert command("leaderboard", "add", scored / "noisy.json", "-o", results).exit_code == 0
    again = command("leaderboard", "add", scored / "plain.json", "-o", results)
    assert "plain.json has the very same outcomes" in str(again.exception)
