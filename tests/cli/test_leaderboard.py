"""``stormbench leaderboard``, ``compare`` and ``verify`` as a user meets them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from stormbench.benchmarks.evaluation.evaluate import score
from stormbench.benchmarks.suites.registry import SUITES

Run = Callable[..., subprocess.CompletedProcess[str]]
NETWORK = "python:stormbench.benchmarks.demo.networks:"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    suite = SUITES["cifar-c"].narrowed(["contrast"], None)
    for name in ("plain", "noisy"):
        score(NETWORK + name, "digits", suite, out=folder, name=name, limit=50, batch_size=10)
    return folder


def test_leaderboard_prints_a_table(results: Path, stormbench: Run) -> None:
    printed = stormbench("leaderboard", results).stdout
    assert "cifar-c on 50 images of digits" in printed
    assert "plain" in printed
    assert "noisy" in printed


def test_leaderboard_writes_a_site(results: Path, stormbench: Run, tmp_path: Path) -> None:
    done = stormbench("leaderboard", results, "-o", "site")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "site/index.html"
    names = ["index.html", "leaderboard.csv", "leaderboard.md", "leaderboard.tex"]
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == names


def test_leaderboard_add_files_a_result_once(results: Path, stormbench: Run, tmp_path: Path) -> None:
    done = stormbench("leaderboard", "add", results / "plain.json", "-o", "board")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "board").rglob("result.json"))) == 1
    again = stormbench("leaderboard", "add", results / "plain.json", "-o", "board")
    assert again.returncode == 1
    assert again.stderr.startswith("stormbench: ")
    assert "the very same outcomes" in again.stderr
    assert "Traceback" not in again.stderr


def test_compare_prints_a_sentence_or_json(results: Path, stormbench: Run) -> None:
    paths = (results / "plain.json", results / "noisy.json")
    assert "on the same 50 images" in " ".join(stormbench("compare", *paths).stdout.split())
    (document,) = json.loads(stormbench("compare", *paths, "--json").stdout)
    assert (document["first"], document["second"]) == ("plain", "noisy")
    assert len(document["cells"]) == 6


def test_verify_records_what_it_found(results: Path, stormbench: Run) -> None:
    arguments = ("--model", NETWORK + "noisy", "--data", "digits", "--sample", "0.5")
    done = stormbench("verify", results / "noisy.json", *arguments)
    assert done.returncode == 0, done.stderr
    assert "150 of 150 recomputed predictions are those of" in " ".join(done.stdout.split())
    assert (results / "noisy.verified").is_file()
    refused = stormbench("verify", results / "plain.json", *arguments)
    assert refused.returncode == 1
    assert "was made with the weights" in refused.stderr


def test_help_shows_both_uses(stormbench: Run) -> None:
    printed = stormbench("leaderboard", "--help").stdout
    assert "show" in printed
    assert "add" in printed
