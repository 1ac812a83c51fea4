"""Runs with a chosen precision among others on the leaderboard."""

from pathlib import Path

import pytest

from stormbench.benchmarks import evaluate, load_model
from stormbench.benchmarks.evaluation.sampled.evaluate import evaluate_sampled
from stormbench.benchmarks.leaderboard.boards import build_boards
from stormbench.benchmarks.leaderboard.entries import read_entries
from stormbench.benchmarks.leaderboard.submissions import add_result
from stormbench.benchmarks.results.samples import PlanRecord, write_sample
from stormbench.benchmarks.results.settings import Settings
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.errors import ResultError

FEW = SUITES["cifar-c"].narrowed(["gaussian_noise", "pixelate"], None)
NETWORKS = "python:stormbench.benchmarks.demo.networks:"


def test_they_have_a_board_of_their_own_and_ranks_by_the_wider_interval(tmp_path: Path) -> None:
    samples = [
        evaluate_sampled(f"{NETWORKS}{name}", "digits", FEW, out=tmp_path / "results", precision=None, budget=budget)
        for name, budget in (("plain", 300), ("noisy", 200))
    ]
    evaluate(load_model(f"{NETWORKS}plain"), "digits", FEW, out=tmp_path / "results", limit=30)
    entries = read_entries(tmp_path / "results")
    boards = build_boards(entries)
    assert sum("with a chosen precision" in board.title for board in boards) == 1
    (board,) = (board for board in boards if "with a chosen precision" in board.title)
    assert [len(board.rows), len(boards)] == [2, 2]
    entry = next(entry for entry in entries if entry.path == samples[0].path)
    interval = entry.figures["mean_error"].interval
    assert interval is not None
    assert interval.high - interval.low > 10
    assert "of 5,000 passes" in entry.notes[0]


def test_they_are_added_once_and_only_where_they_stopped_by_their_rule(tmp_path: Path) -> None:
    sample = evaluate_sampled(f"{NETWORKS}plain", "digits", FEW, out=tmp_path / "new", precision=5, limit=200)
    added = add_result(sample.path, tmp_path / "board")
    assert added.result == sample.result
    with pytest.raises(ResultError, match="very same outcomes"):
        add_result(sample.path, tmp_path / "board")
    settings = Settings(**{name: getattr(sample.result, name) for name in Settings.model_fields})
    record = PlanRecord(**(sample.result.plan.model_dump() | {"precision": 20.0}))
    forged = write_sample(settings, sample.result.keys, record, sample.outcomes, tmp_path / "forged" / "a.json")
    with pytest.raises(ResultError, match="had to stop after 10"):
        add_result(forged.path, tmp_path / "other")
