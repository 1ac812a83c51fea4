"""Figures of a random defense: their intervals hold what other draws would have given."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stormbench.benchmarks import load_model
from stormbench.benchmarks.evaluation.attack import attack
from stormbench.benchmarks.evaluation.evaluate import score
from stormbench.benchmarks.results.images import read_result
from stormbench.benchmarks.results.settings import DefenseRecord
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.defenses import DEFENSES
from stormbench.defenses.robustness import Budget
from stormbench.metrics.intervals import wilson

RUNS = 16
LEAST = Budget(
    "least",
    "for tests",
    lead="pgd:step=0.5",
    lead_steps=1,
    others=(),
    first_draws=1,
    most_draws=1,
    others_draws=1,
    queries=1,
    query_draws=1,
    tries=1,
    vote=1,
    judge=1,
)


@pytest.mark.parametrize("name", list(DEFENSES))
def test_every_defense_is_scored_and_attacked_by_its_name_alone(name: str, tmp_path: Path) -> None:
    plain = load_model("python:stormbench.benchmarks.demo.networks:plain")
    few = SUITES["cifar-c"].narrowed(["contrast"], [3])
    how = {"out": tmp_path, "limit": 3, "defense": name}
    _, scored = score(plain, "digits", few, **how)  # type: ignore[arg-type]
    assert [cell.images for cell in scored.cells] == [3, 3]
    _, attacked = attack(plain, "digits", few, eps=0.1, budget=LEAST, **how)  # type: ignore[arg-type]
    assert attacked.adversarial is not None
    assert attacked.adversarial.images == 3
    assert attacked.adversarial.correct.oblivious is not None


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
