"""Figures of a random defense: their intervals hold what other draws would have given."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from stormbench.benchmarks import load_model
from stormbench.benchmarks.scoring import score
from stormbench.benchmarks.suites import SUITES
from stormbench.metrics.intervals import wilson

RUNS = 16


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
