from math import log, sqrt

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gamma, gammainc

from stormbench.errors import InputError
from stormbench.metrics.confidence_sequences import UniformBoundary, tuned_variance


def integrated(boundary: UniformBoundary, deviation: float, variance: float) -> float:
    """The mixture of exp(lambda s - psi_E(lambda) v) over its density of lambda, by quadrature (Howard et al. 2021)."""
    c, shape = boundary.scale, boundary._rho / boundary.scale**2

    def mixed(rate: float) -> float:
        left = 1 - c * rate
        density = (
            c * shape**shape / (gamma(shape) * gammainc(shape, shape)) * left ** (shape - 1) * np.exp(-shape * left)
        )
        psi = (-np.log(left) - c * rate) / c**2
        return float(density * np.exp(rate * deviation - psi * variance))

    return float(quad(mixed, 0, 1 / c, limit=400, epsabs=0, epsrel=1e-10)[0])


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.36])
@pytest.mark.parametrize(("deviation", "variance"), [(1.0, 2.0), (9.0, 20.0), (25.0, 60.0), (0.3, 0.0)])
def test_the_closed_form_is_the_integral(scale: float, deviation: float, variance: float) -> None:
    boundary = UniformBoundary(scale=scale, tuned_for=30.0, crossing=0.025)
    value = float(boundary.log_martingale(deviation, variance))
    assert value == pytest.approx(log(integrated(boundary, deviation, variance)), abs=1e-8)


def test_the_boundary_is_where_the_martingale_reaches_its_level() -> None:
    boundary = UniformBoundary(scale=2.0, tuned_for=5000.0, crossing=0.05)
    for variance in (0.0, 10.0, 5000.0, 1e6):
        at = boundary(variance)
        assert float(boundary.log_martingale(at, variance)) == pytest.approx(log(20), abs=1e-6)
        assert boundary.crossed([at * 1.001, at * 0.999, 0.0, -at], [variance] * 4).tolist() == [
            True,
            False,
            False,
            False,
        ]


def test_wider_than_one_look_and_tightest_where_it_was_tuned() -> None:
    widths = [UniformBoundary(1.0, tuned, 0.025)(4000.0) for tuned in (1000.0, 4000.0, 16000.0)]
    assert min(widths) == widths[1]
    assert all(1.5 * 1.96 * sqrt(4000) < width < 1.1 * widths[1] for width in widths)


def test_fair_coins_seldom_cross_and_unfair_ones_do() -> None:
    """Ville's inequality: at most 5 % of the paths ever cross; the bound on V is the coin's own."""
    boundary = UniformBoundary(scale=1.0, tuned_for=30.0, crossing=0.05)
    tosses = np.random.default_rng(0).random((1000, 400)) < 0.5
    variance = np.broadcast_to(0.25 * np.arange(1, 401), tosses.shape)
    fair = boundary.crossed((tosses - 0.5).cumsum(axis=1), variance).any(axis=1).mean()
    assert 0.005 < fair <= 0.05
    assert boundary.crossed((tosses - 0.3).cumsum(axis=1), variance).any(axis=1).all()


@pytest.mark.parametrize("wrong", [{"scale": 0.0}, {"tuned_for": -1.0}, {"crossing": 0.5}, {"crossing": 0.0}])
def test_impossible_boundaries_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="boundary"):
        UniformBoundary(**{"scale": 1.0, "tuned_for": 1.0, "crossing": 0.05, **wrong})


def test_the_variance_that_is_tuned_for_by_hand() -> None:
    """Four cells of 25 points and variance 0.1: 250 a block, 38.416 blocks for 5 points."""
    assert tuned_variance(np.full(4, 25.0), 5.0, 0.1) == pytest.approx(250 * 250 * (1.96 / 5) ** 2)
