"""The promises of runs with a chosen precision and of the gate, with fewer repetitions than docs/quick.md gives.

Bounds allow for the luck of the repetitions: 2,000 runs know a coverage of 95 % to 0.5 points (one standard deviation).
"""

import numpy as np
import pytest

from stormbench.benchmarks.experiments.sequential_simulation import (
    anytime_coverage,
    correlation,
    few_images,
    gate_rates,
    population,
    stops,
)

slow = pytest.mark.slow


def test_the_simulated_images_are_as_alike_as_measured_ones() -> None:
    assert 0.18 <= correlation(population(76.0)) <= 0.26


def test_a_known_variance_needs_the_passes_of_the_textbook() -> None:
    """mCE within one point: 12,000 to 13,500 passes at 76, as the variance of real networks has it."""
    assert 10_000 < population(76.0).passes(1.0) < 13_500


@slow
@pytest.mark.parametrize("figure", [25.0, 50.0, 76.0, 99.0])
@pytest.mark.parametrize(("precision", "more"), [(2.0, 0.15), (1.0, 0.05)])
def test_intervals_of_mce_hold_when_the_run_stops(figure: float, precision: float, more: float) -> None:
    of = population(figure)
    found = stops(of, precision, 2000, every_block=True)
    assert 0.935 <= found.coverage(of.theta, precision) <= 0.975
    assert 1 <= found.passes.mean() / of.passes(precision) <= 1 + more


@slow
@pytest.mark.parametrize("figure", [2.0, 5.0, 10.0, 20.0])
def test_intervals_of_plain_mean_errors_hold_when_the_run_stops(figure: float) -> None:
    of = population(figure, normalised=False)
    assert stops(of, 1.0, 2000, every_block=True).coverage(of.theta, 1.0) >= 0.935


@slow
def test_looking_at_the_looks_alone_costs_a_tenth_at_most() -> None:
    of = population(76.0)
    found = stops(of, 1.0, 2000, every_block=False)
    assert 0.935 <= found.coverage(of.theta, 1.0) <= 0.975
    assert found.passes.mean() / of.passes(1.0) < 1.12


@slow
@pytest.mark.parametrize("figure", [25.0, 99.0])
def test_anytime_intervals_hold_at_every_block(figure: float) -> None:
    assert anytime_coverage(population(figure), 400, 500) >= 0.95


@slow
@pytest.mark.parametrize(("disagreement", "margin"), [(0.13, 1.0), (0.027, 1.0), (0.002, 0.1), (0.002, 0.0)])
def test_gates_at_the_margin_give_false_answers_in_5_of_100_at_most(disagreement: float, margin: float) -> None:
    found = gate_rates(disagreement, margin, margin, 400, 1000)
    assert found.worse <= 0.06
    assert found.not_worse <= 0.06


@slow
@pytest.mark.parametrize("difference", [0.0, 2.0])
def test_gates_one_point_from_the_margin_are_decided(difference: float) -> None:
    """29,000 passes of each model, 13 % disagreement."""
    found = gate_rates(0.13, difference, 1.0, 386, 1000)
    assert 1 - found.undecided >= 0.8
    assert (found.worse if difference == 0 else found.not_worse) <= 0.01


@slow
@pytest.mark.parametrize(("precision", "rounds"), [(3.0, (2, 4)), (1.27, (9, 15)), (0.46, (40, 50))])
def test_intervals_hold_for_the_full_run_on_500_images(precision: float, rounds: tuple[int, int]) -> None:
    found, truth = few_images(population(76.0), 500, precision, 500)
    assert 0.925 <= found.coverage(truth, precision) <= 0.975
    assert rounds[0] <= np.mean(found.passes) / 500 <= rounds[1]
