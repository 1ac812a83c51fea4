from itertools import pairwise
from math import sqrt

import numpy as np
import pytest

from stormbench.errors import InputError
from stormbench.metrics.block_plan import BlockPlan
from stormbench.metrics.sequential import (
    anytime_half_width,
    block_variance,
    figure_boundary,
    figure_errors,
    interval_variances,
    looks,
    sequential_estimate,
    smoothed_variances,
    stopping_block,
)


def drawn(images: int, cells: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes of all blocks, what they show, and uneven weights; images differ in difficulty."""
    rng = np.random.default_rng(seed)
    hard = rng.random(images)
    plan = BlockPlan(rng.permutation(images), rng.permutation(cells))
    wrong = rng.random((images, cells)) < hard[:, None]
    shown = plan.images_by_cell(images)
    return wrong[shown, np.arange(cells)], shown, np.linspace(1, 2, cells)


def test_looks_grow_by_a_tenth_and_end_at_the_last_block() -> None:
    found = list(looks(50_000))
    assert found[:6] == [10, 11, 13, 15, 17, 19]
    assert found[-1] == 50_000
    steps = [after / before for before, after in pairwise(found[8:-1])]
    assert max(steps) < 1.15
    assert len(found) < 90
    assert list(looks(10)) == [10]
    assert list(looks(3)) == [3]


def test_smoothed_variances_by_hand() -> None:
    """One of 8 wrong: q = 2 / 10. Shares 0.5 and 1: mean (1.5 + 1) / 4, mean square (1.25 + 1) / 4."""
    assert smoothed_variances(np.array([1]), np.array([1]), 8).tolist() == pytest.approx([0.16])
    assert smoothed_variances(np.array([1.5]), np.array([1.25]), 2).tolist() == pytest.approx([0.5625 - 0.625**2])


def test_the_first_round_by_hand() -> None:
    """Two blocks of two cells on four images: q is 2/4 and 1/4, so a block has 100 * 0.25 + 900 * 0.1875."""
    outcomes, weights = np.array([[1, 0], [0, 0]]), np.array([10.0, 30.0])
    found = sequential_estimate(outcomes, np.array([[0, 1], [2, 3]]), weights, images=4)
    assert found.value == 5.0
    assert found.half_width == pytest.approx(1.96 * sqrt((100 * 0.25 + 900 * 0.1875) / 2), rel=1e-4)
    assert found.population_half_width == found.half_width
    assert (found.blocks, found.passes) == (2, 4)


def test_the_second_round_by_hand() -> None:
    """Four images, two cells, three blocks: images 0 and 1 were used twice. Residuals are w (y - p)."""
    outcomes = np.array([[1, 0], [1, 0], [0, 1]])
    shown = np.array([[0, 1], [2, 3], [1, 0]])
    weights = np.array([3.0, 6.0])
    p = np.array([2 / 3, 1 / 3])
    residuals = weights * (outcomes - p)
    by_image = [residuals[0, 0] + residuals[2, 1], residuals[0, 1] + residuals[2, 0], residuals[1, 0], residuals[1, 1]]
    covariance = max(0.0, (sum(e * e for e in by_image) - (residuals**2).sum()) / 4)
    assert covariance > 0
    block = 9 * (3 / 5) * (2 / 5) + 36 * (2 / 5) * (3 / 5)
    population = block / 3 + 4 * covariance / 9
    here, of_population = interval_variances(outcomes, shown, weights, images=4)
    assert of_population == pytest.approx(population)
    assert here == pytest.approx(max(0.0, population - (block + 2 * covariance) / 4))


def test_nothing_is_uncertain_about_a_full_run_but_the_images() -> None:
    outcomes, shown, weights = drawn(40, 15)
    found = sequential_estimate(outcomes, shown, weights, images=40)
    assert found.half_width == found.anytime_half_width == 0.0
    assert found.population_half_width > 0
    assert found.value == pytest.approx(float(weights @ outcomes.mean(axis=0)))
    nearly = sequential_estimate(outcomes[:39], shown[:39], weights, images=40)
    assert 0 < nearly.half_width < 0.3 * nearly.population_half_width


def test_images_like_these_stay_uncertain_by_the_spread_of_the_images() -> None:
    """At the end the variance is that of the images' own sums, over the number of images (up to the smoothing)."""
    outcomes, shown, weights = drawn(400, 15)
    _, population = interval_variances(outcomes, shown, weights, images=400)
    sums = np.bincount(shown.ravel(), weights=(weights * outcomes).ravel(), minlength=400)
    assert population == pytest.approx(sums.var() / 400, rel=0.02)


def test_a_cell_that_never_erred_is_not_certain() -> None:
    assert block_variance(np.zeros((10, 3)), np.ones(3)) == pytest.approx(3 * (1 / 12) * (11 / 12))


def test_predictions_use_earlier_blocks_only() -> None:
    """First block: predicted 1/2 everywhere. Second: cell 0 was 1 (2/3), cell 1 was 0 (1/3)."""
    outcomes = np.array([[1, 0], [1, 1]])
    errors = figure_errors(outcomes, np.array([1.0, 10.0]))
    assert errors.tolist() == pytest.approx([25.25, 25.25 + 1 / 9 + 100 * 4 / 9])
    changed = figure_errors(np.array([[1, 0], [0, 0]]), np.array([1.0, 10.0]))
    assert changed[0] == errors[0]


def test_errors_of_many_runs_at_once_are_those_of_each() -> None:
    runs, weights = np.random.default_rng(0).random((3, 12, 5)), np.arange(1.0, 6.0)
    assert np.allclose(figure_errors(runs, weights), [figure_errors(run, weights) for run in runs])


def test_the_anytime_interval_is_the_boundary_over_the_blocks() -> None:
    outcomes, _, weights = drawn(200, 15)
    expected = figure_boundary(weights)(float(figure_errors(outcomes, weights)[-1])) / 200
    assert anytime_half_width(outcomes, weights) == expected


def test_shares_are_surer_than_outcomes_of_0_and_1() -> None:
    """Flip probabilities: the share of flips in a sequence varies less than a coin of the same mean."""
    rng = np.random.default_rng(0)
    shares = rng.beta(20, 20, size=(100, 10))
    coins = (rng.random((100, 10)) < 0.5).astype(float)
    assert block_variance(shares, np.ones(10)) < 0.2 * block_variance(coins, np.ones(10))


def test_runs_stop_at_the_first_look_that_is_precise_enough() -> None:
    outcomes, shown, weights = drawn(600, 15)
    at = stopping_block(outcomes, shown, weights, 600, precision=0.5)
    assert at in set(looks(600))
    before = max(look for look in looks(600) if look < at)
    widths = [sequential_estimate(outcomes[:n], shown[:n], weights, 600).half_width for n in (before, at)]
    assert widths[1] <= 0.5 < widths[0]
    assert stopping_block(outcomes[: at - 1], shown[: at - 1], weights, 600, precision=0.5) is None
    assert stopping_block(outcomes[: at + 5], shown[: at + 5], weights, 600, precision=0.5) == at
    assert stopping_block(outcomes, shown, weights, 600, precision=1e-9) == 600


@pytest.mark.parametrize(
    ("outcomes", "weights", "said"),
    [
        (np.zeros((0, 3)), np.ones(3), "shape"),
        (np.zeros(3), np.ones(3), "shape"),
        (np.zeros((2, 3)), np.ones(4), "weight a cell"),
        (np.full((2, 3), 1.5), np.ones(3), "0..1, got 1.5"),
        (np.full((2, 3), -0.5), np.ones(3), "0..1, got -0.5"),
        (np.full((2, 3), np.nan), np.ones(3), "0..1, got nan"),
        (np.zeros((2, 3)), np.array([1.0, 0.0, 1.0]), "above 0"),
    ],
)
def test_impossible_outcomes_and_weights_are_refused(outcomes: np.ndarray, weights: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        sequential_estimate(outcomes, np.zeros(outcomes.shape, dtype=int), weights, images=10)
