"""The suites of C-bar on the command line, from the score to the page."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stormbench.corruptions import C_BAR

Command = Callable[..., subprocess.CompletedProcess[str]]
PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
SMALL = ("--data", "digits", "--suite", "cifar10-c-bar", "--limit", "24", "--workers", "0")


@pytest.mark.slow
def test_score_verify_show_and_leaderboard(stormbench: Command, tmp_path: Path) -> None:
    scored = stormbench("score", PLAIN, *SMALL, "--name", "bar", "-o", "results")
    assert scored.returncode == 0, scored.stderr
    assert "transverse_chromatic_abberation" in scored.stdout
    assert "mCE" not in scored.stdout, "there is no baseline"
    result = json.loads((tmp_path / "results" / "bar.json").read_text())
    cells = [cell for cell in result["cells"] if cell["corruption"] != "clean"]
    assert {cell["corruption"] for cell in cells} == set(C_BAR["cifar"])
    assert len(cells) == 10 * 5
    mean = 100 * sum(cell["wrong"] for cell in cells) / sum(cell["images"] for cell in cells)
    assert f"mean error    {mean:5.1f} %" in scored.stdout
    verified = stormbench("verify", "results/bar.json", "--model", PLAIN, "--data", "digits")
    assert verified.returncode == 0, verified.stderr
    board = stormbench("leaderboard", "results", "-o", "site")
    assert board.returncode == 0, board.stderr
    assert "pinch_and_twirl" in (tmp_path / "site" / "index.html").read_text()
    Image.fromarray(np.full((60, 60, 3), 90, np.uint8)).save(tmp_path / "grey.png")
    shown = stormbench("show", "grey.png", "-o", "sheet.png", "--size", "32", "--suite", "imagenet-c-bar")
    assert "10 corruptions at every severity" in shown.stdout, shown.stderr
