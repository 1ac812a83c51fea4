"""The bare loop is a training, and shares are computed as they are called."""

import pytest

from stormbench.benchmarks.speed.training import TrainingSpeed, measure_training


def test_shares_by_hand() -> None:
    speed = TrainingSpeed("small", 128, standard=105.0, bare=100.0, attacked=630.0, attack_steps=7)
    assert speed.overhead == pytest.approx(0.05)
    assert speed.attack_step == pytest.approx(75 / 105)


def test_it_measures() -> None:
    speed = measure_training(steps=1, times=1)
    assert min(speed.standard, speed.bare, speed.attacked) > 0
