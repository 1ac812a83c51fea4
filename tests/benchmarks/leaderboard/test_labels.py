"""Names in a scatter plot cover neither marks nor each other."""

import numpy as np
import pytest

from stormbench.benchmarks.leaderboard import labels
from stormbench.benchmarks.leaderboard.labels import place_labels


def boxes(points: list[dict[str, float]], names: list[str]) -> list[labels._Box]:
    xs, ys = labels._scaled(points, "x", labels._WIDTH), labels._scaled(points, "y", labels._HEIGHT)
    placed = place_labels(points, names)
    marks = [
        labels._Box(x - 6, labels._HEIGHT - y - 6, x + 6, labels._HEIGHT - y + 6) for x, y in zip(xs, ys, strict=True)
    ]
    named = zip(xs, ys, placed, strict=True)
    return marks + [labels._box(x, labels._HEIGHT - y, label) for x, y, label in named if label.text]


@pytest.mark.parametrize("seed", range(10))
def test_names_meet_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = [{"x": float(x), "y": float(y)} for x, y in rng.normal(size=(25, 2))]
    found = boxes(points, ["a name of some length"] * 25)
    assert len(found) > 30  # some names found a place
    for at, box in enumerate(found):
        if at >= 25:
            assert not any(box.meets(other) for other in found[:at])
            assert 0 <= box.left <= box.right <= labels._WIDTH


def test_a_lone_mark_and_none_at_all() -> None:
    assert [label.text for label in place_labels([{"x": 3.0, "y": 3.0}], ["one"])] == ["one"]
    assert place_labels([], []) == []


def test_the_axis_holds_the_intervals() -> None:
    point = {"x": 50.0, "x_low": 0.0, "x_high": 100.0, "y": 0.0}
    assert labels._scaled([point], "x", 300.0) == [150.0]
