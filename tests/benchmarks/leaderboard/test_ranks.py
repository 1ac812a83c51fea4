"""What a rank claims: equal models are ranked apart on one board in twenty at most, unequal ones are told apart."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from stormbench.benchmarks.leaderboard.ranks import Rank, beaten_by_intervals, places, surely_beaten
from stormbench.metrics import wilson
from stormbench.metrics.estimates import Estimate, Sampled, resampled_shares

BOARDS, RESAMPLES = 300, 1000
MOST = int(binom.ppf(0.999, BOARDS, 0.05))  # 28: more would happen once in 1,000 times where 5 % are promised


def outcomes(models: int, images: int) -> NDArray[np.bool_]:
    """Equal models on images of different difficulty, shape ``(images, boards, models)``."""
    rng = np.random.default_rng(models * images)
    difficulty = rng.beta(1, 2, size=(images, BOARDS, 1))
    return np.asarray(rng.random((images, BOARDS, models)) < difficulty)


def resampled(wrong: NDArray[np.bool_]) -> NDArray[np.float64]:
    """As boards see them: ``(boards, models, 1 + resamples)``."""
    columns = wrong.reshape(len(wrong), -1)
    means = np.concatenate([columns.mean(axis=0)[None], resampled_shares(columns, RESAMPLES)])
    return 100 * means.T.reshape(*wrong.shape[1:], -1)


@pytest.mark.parametrize("images", [50, 1000])
@pytest.mark.parametrize("models", [2, 5, 20])
def test_equal_models_are_seldom_ranked_apart(models: int, images: int) -> None:
    boards = resampled(outcomes(models, images))
    assert sum(surely_beaten(list(board), images).any() for board in boards) <= MOST


@pytest.mark.parametrize("models", [2, 5, 20])
def test_nor_are_they_by_intervals_alone(models: int) -> None:
    wrong = outcomes(models, 400).sum(axis=0)
    boards = [[Estimate(n / 4, *(100 * bound for bound in wilson(n, 400))) for n in board] for board in wrong]
    for higher_is_better in (False, True):
        assert sum(beaten_by_intervals(board, higher_is_better).any() for board in boards) <= MOST


def figure(wrong: NDArray[np.bool_]) -> Sampled:
    return resampled(wrong[:, None, None])[0, 0]


def test_a_model_that_is_better_is_told_apart_among_twenty() -> None:
    rng = np.random.default_rng(0)
    samples = [figure(rng.random(1000) < error) for error in (0.3, *[0.4] * 19)]
    assert places(surely_beaten(samples, 1000))[0] == Rank(1, 1)


@pytest.mark.parametrize(("images", "sure"), [(1, False), (2, False), (5, False), (20, True)])
def test_a_few_images_make_nobody_sure(images: int, sure: bool) -> None:
    """All resamples agree where one model is always right and the other always wrong, even on two images."""
    samples = [figure(np.zeros(images, bool)), figure(np.ones(images, bool))]
    assert surely_beaten(samples, images).tolist() == [[False, False], [sure, False]]


def test_twins_and_rounding_are_no_differences() -> None:
    found = figure(np.random.default_rng(0).random(100) < 0.4)
    assert not surely_beaten([found, found, found * (1 + 1e-15)], 100).any()
