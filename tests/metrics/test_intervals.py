import numpy as np
import pytest

from stormbench.errors import InputError
from stormbench.metrics.intervals import bootstrap, resampled_means, wilson


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("wrong", "images", "low", "high"),
    [(0, 10, 0.0, 0.27753), (10, 10, 0.72247, 1.0), (81, 263, 0.25528, 0.36620), (1, 29, 0.00611, 0.17176)],
)
def test_wilson_against_published_values(wrong: int, images: int, low: float, high: float) -> None:
    """The last two rows: Newcombe 1998, table I, examples (a) and (d); 0.2553-0.3662 and 0.0061-0.1718."""
    assert wilson(wrong, images) == pytest.approx((low, high), abs=5e-5)


def test_wilson_holds_the_error() -> None:
    for wrong in range(51):
        low, high = wilson(wrong, 50)
        assert 0 <= low <= wrong / 50 <= high <= 1


def test_wilson_grows_with_confidence_and_shrinks_with_images() -> None:
    narrow, wide, sure = wilson(50, 100, confidence=0.5), wilson(50, 100), wilson(5000, 10000)
    assert wide.low < narrow.low < sure.low


@pytest.mark.parametrize(("wrong", "images"), [(1, 0), (0, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_impossible_counts(wrong: int, images: int) -> None:
    with pytest.raises(InputError, match=f"{wrong} wrong of {images}"):
        wilson(wrong, images)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_confidence_is_a_probability(confidence: float) -> None:
    with pytest.raises(InputError, match="confidence"):
        wilson(1, 2, confidence=confidence)


def test_resamples_are_what_picking_images_gives() -> None:
    outcomes = rng(1).random((37, 4))
    picks = rng(7)
    literal = [outcomes[picks.integers(37, size=37)].mean(axis=0) for _ in range(130)]
    assert resampled_means(outcomes, resamples=130, rng=rng(7)) == pytest.approx(np.array(literal), abs=1e-12)


def test_bootstrap_of_a_mean_has_the_normal_width() -> None:
    outcomes = rng(1).random((2000, 1)) < 0.3
    low, high = bootstrap(outcomes, lambda means: float(means[0]), resamples=4000, rng=rng())
    error = outcomes.mean()
    width = 2 * 1.96 * np.sqrt(error * (1 - error) / 2000)
    assert high - low == pytest.approx(width, rel=0.06)
    assert (low + high) / 2 == pytest.approx(error, abs=0.002)


def test_bootstrap_covers_the_truth_as_often_as_it_says() -> None:
    draws = rng(2)
    hits = 0
    for _ in range(300):
        low, high = bootstrap(draws.random((200, 1)) < 0.4, lambda means: float(means[0]), resamples=200, rng=draws)
        hits += low <= 0.4 <= high
    assert 0.90 <= hits / 300 <= 0.99


def test_paired_differences_are_sharper_than_separate_ones() -> None:
    hard = rng(3).random(1000)
    a, b = hard < 0.50, hard < 0.52
    low, high = bootstrap(np.stack([a, b], 1), lambda m: float(m[1] - m[0]), rng=rng())
    assert 0 < low < high < 0.04


def test_bootstrap_of_equal_models_is_zero() -> None:
    a = rng(3).random(100) < 0.5
    assert bootstrap(np.stack([a, a], 1), lambda m: float(m[1] - m[0]), rng=rng()) == (0.0, 0.0)


def test_equal_generators_give_equal_intervals() -> None:
    outcomes = rng(1).random((100, 3))
    first, second, other = (bootstrap(outcomes, lambda m: float(m.sum()), rng=rng(seed)) for seed in (5, 5, 6))
    assert first == second != other


@pytest.mark.parametrize("shape", [(0, 3), (5,), (2, 2, 2)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="quantities"):
        resampled_means(np.zeros(shape), rng=rng())
