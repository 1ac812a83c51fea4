"""Figures of a random defense: their intervals hold what other draws would have given."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stormbench.benchmarks import load_model
from stormbench.benchmarks.results.schema import DefenseRecord, read_result
from stormbench.benchmarks.scoring import score
from stormbench.benchmarks.suites import SUITES
from stormbench.metrics.intervals import wilson

RUNS = 16


@pytest.mark.parametrize(
    ("spec", "draws"),
    [("jpeg", 1), ("rain", 1), ("rain:draws=3", 3), ("smoothing", 100), ("jpeg + rain:draws=2 + tvm:draws=3", 6)],
)
def test_results_say_how_many_draws_voted(spec: str, draws: int, tmp_path: Path) -> None:
    plain = load_model("python:stormbench.benchmarks.demo.networks:plain")
    clean = replace(SUITES["cifar-c"], corruptions=())
    path, result = score(plain, "digits", clean, out=tmp_path, limit=2, seed=5, defense=spec)
    assert read_result(path).defense == result.defense == DefenseRecord(spec=spec, seed=5, draws=draws)


def test_intervals_cover_the_draws(tmp_path: Path) -> None:
    """Each run draws anew on the same images; nearly every run's interval holds the mean over all runs' draws."""
    plain = load_model("python:stormbench.benchmarks.demo.networks:plain")
    clean = replace(SUITES["cifar-c"], corruptions=())
    wrong = []
    for seed in range(RUNS):
        how = {"out": tmp_path, "name": str(seed), "seed": seed, "limit": 60, "defense": "rain:shift=0.1"}
        _, result = score(plain, "digits", clean, **how)  # type: ignore[arg-type]
        wrong.append(result.cells[0].wrong)
        assert result.cells[0].images == 60
    assert np.std(wrong) > 0.5  # the draws do matter
    intervals = [wilson(count, 60) for count in wrong]
    assert sum(low <= np.mean(wrong) / 60 <= high for low, high in intervals) >= RUNS - 1
