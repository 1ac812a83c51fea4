"""The failure point against curves whose crossing is known."""

import numpy as np
import pytest

from stormbench.errors import InputError
from stormbench.metrics.failure import failure_point

GRID = [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("rate", [0.12, 0.2, 0.7])
def test_a_straight_curve_halves_where_it_must(rate: float) -> None:
    curve = 0.9 * (1 - rate * np.arange(6))
    assert float(failure_point(GRID, curve)) == pytest.approx(0.5 / rate)
    assert float(failure_point(GRID, curve, share=0.8)) == pytest.approx(0.2 / rate)


def test_the_first_fall_counts_and_an_exact_half_is_a_fall() -> None:
    assert float(failure_point(GRID, [0.8, 0.4, 0.7, 0.1, 0.1, 0.1])) == 1.0
    assert float(failure_point(GRID, [0.8, 0.8, 0.8, 0.8, 0.8, 0.4])) == 5.0
    assert float(failure_point(GRID, [0.8, 0.8, 0.8, 0.8, 0.8, 0.41])) == np.inf
    assert float(failure_point(GRID, [0.0] * 6)) == 0.0


def test_many_curves_at_once() -> None:
    curves = np.sort(np.random.default_rng(0).random((40, 6)), axis=1)[:, ::-1]
    found = failure_point(GRID, curves)
    assert found.tolist() == [float(failure_point(GRID, curve)) for curve in curves]
    for curve, point in zip(curves, found, strict=True):
        if np.isfinite(point):
            assert np.interp(point, GRID, curve) == pytest.approx(curve[0] / 2)
        else:
            assert curve[-1] > curve[0] / 2


@pytest.mark.parametrize(
    ("severities", "accuracies", "share"),
    [([1, 2], [0.5, 0.4], 0.5), ([0, 2, 1], [0.5] * 3, 0.5), ([0, 1], [0.5] * 3, 0.5), ([0, 1], [0.5] * 2, 1.0)],
)
def test_refusals(severities: list[float], accuracies: list[float], share: float) -> None:
    with pytest.raises(InputError, match=r"must increase from 0|want 2 accuracies"):
        failure_point(severities, accuracies, share)
