import numpy as np
import pytest

from stormbench.errors import InputError
from stormbench.metrics.gate import Verdict, difference_boundary, difference_errors, gate_decision

WEIGHTS = np.full(75, 100 / 75)


def differences(blocks: int, up: float, down: float, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).random((blocks, 75))
    return (drawn < up).astype(int) - (drawn > 1 - down).astype(int)


@pytest.mark.parametrize(
    ("up", "down", "verdict"),
    [(0.09, 0.04, Verdict.WORSE), (0.04, 0.09, Verdict.NOT_WORSE), (0.075, 0.055, Verdict.CANNOT_TELL)],
)
def test_verdicts(up: float, down: float, verdict: Verdict) -> None:
    """Differences of 5, -5 and 2 points against a margin of 2."""
    found = gate_decision(differences(200, up, down), WEIGHTS, images=50_000, margin=2.0)
    assert found.verdict is verdict
    assert found.difference == pytest.approx(100 * (up - down), abs=1.5)
    assert (found.blocks, found.passes) == (200, 15_000)


def test_exit_statuses() -> None:
    assert [int(verdict) for verdict in Verdict] == [0, 1, 2]


def test_a_difference_of_exactly_the_margin_is_not_worse_in_a_full_run() -> None:
    """At the end nothing is left to chance: not worse *by more than* the margin."""
    full = np.array([[1, 0], [0, 0]])
    weights = np.array([50.0, 50.0])
    assert gate_decision(full, weights, images=2, margin=25.0).verdict is Verdict.NOT_WORSE
    assert gate_decision(full, weights, images=2, margin=24.9).verdict is Verdict.WORSE
    assert gate_decision(full, weights, images=3, margin=24.9).verdict is Verdict.CANNOT_TELL


def test_the_two_directions_mirror_each_other() -> None:
    table = differences(300, 0.07, 0.05)
    there, back = (gate_decision(sign * table, WEIGHTS, 50_000, margin=0.0) for sign in (1, -1))
    assert there.difference == -back.difference
    assert there.half_width == back.half_width


def test_each_difference_is_predicted_by_the_mean_of_earlier_blocks() -> None:
    """First block: predicted 0. Second: the mean of (1, 0), weighted by the cell."""
    errors = difference_errors(np.array([[1, 0], [0, -1]]), np.array([2.0, 4.0]))
    assert errors.tolist() == [4.0, 4.0 + (2 * 0.5) ** 2 + (4 * 1.5) ** 2]


def test_the_half_width_is_the_boundary_over_the_blocks() -> None:
    table = differences(120, 0.1, 0.1)
    expected = difference_boundary(WEIGHTS, 1.0)(float(difference_errors(table, WEIGHTS)[-1])) / 120
    assert gate_decision(table, WEIGHTS, 50_000, margin=1.0).half_width == expected


def test_a_margin_of_0_can_be_asked() -> None:
    assert gate_decision(differences(300, 0.02, 0.1), WEIGHTS, 50_000, margin=0.0).verdict is Verdict.NOT_WORSE


@pytest.mark.parametrize("margin", [-0.1, float("nan")])
def test_margins_below_0_are_refused(margin: float) -> None:
    with pytest.raises(InputError, match="margin"):
        gate_decision(differences(10, 0.1, 0.1), WEIGHTS, 100, margin=margin)


def test_impossible_differences_are_refused() -> None:
    with pytest.raises(InputError, match=r"-1\.\.1, got"):
        gate_decision(2 * differences(10, 0.4, 0.4), WEIGHTS, 100, margin=1.0)
