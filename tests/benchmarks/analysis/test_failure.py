"""Failure points of stored runs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stormbench.benchmarks.analysis.failure import failure_points
from stormbench.benchmarks.analysis.image_summary import summarise_images
from stormbench.benchmarks.results.run import ImageRun, Run
from stormbench.cells import CLEAN
from stormbench.cli.tables.images import halved_at
from stormbench.errors import ResultError

WriteRun = Callable[..., Path]
CELLS = [(CLEAN, 0), *((name, severity) for name in ("fog", "snow") for severity in range(1, 6))]


def run_of(path: Path) -> ImageRun:
    run = Run.open(path)
    assert isinstance(run, ImageRun)
    return run


def test_points_and_curve_of_known_outcomes(write_run: WriteRun) -> None:
    """Of 100 images, 80 right when clean; fog leaves 15 fewer at each severity, snow none fewer."""
    right = [80, *(80 - 15 * severity for severity in range(1, 6)), *[80] * 5]
    rank = [np.where(np.arange(100) < count, 0, 3) for count in right]
    found = failure_points(run_of(write_run(images=100, cells=CELLS, rank=rank)), resamples=300)
    fog = found.corruptions["fog"]
    assert fog.value == pytest.approx(40 / 15)
    assert fog.low < fog.value < fog.high < 5
    assert fog.high - fog.low < 1.5
    assert found.corruptions["snow"] == (np.inf, np.inf, np.inf)
    assert [round(found.curve[severity].value, 6) for severity in range(6)] == [80, 72.5, 65, 57.5, 50, 42.5]
    assert found.mean.value == np.inf


def test_an_interval_may_reach_beyond_the_severities(write_run: WriteRun) -> None:
    right = [80, 70, 60, 50, 45, 40, *[80] * 5]
    rank = [np.where(np.arange(100) < count, 0, 3) for count in right]
    fog = failure_points(run_of(write_run(images=100, cells=CELLS, rank=rank)), resamples=300).corruptions["fog"]
    assert fog.value == 5.0
    assert fog.low < 5 < fog.high == np.inf


def test_a_run_without_its_cells_is_refused(write_run: WriteRun) -> None:
    for cells in (CELLS[1:], CELLS[:5]):
        with pytest.raises(ResultError, match="needs clean images and a corruption at all five severities"):
            failure_points(run_of(write_run("short", cells=cells)))


def test_the_table_shows_what_was_observed(write_run: WriteRun) -> None:
    right = [80, *(80 - 15 * severity for severity in range(1, 6)), *[80] * 5]
    rank = [np.where(np.arange(100) < count, 0, 3) for count in right]
    whole = run_of(write_run(images=100, cells=CELLS, rank=rank))
    assert halved_at(summarise_images(whole, None)) == {"fog": "2.7", "snow": ">5"}
    part = run_of(write_run("part", images=100, cells=CELLS[:-1], rank=rank[:-1]))
    assert halved_at(summarise_images(part, None)) == {}
    clean = run_of(write_run("clean", images=100, cells=CELLS[:1], rank=rank[:1]))
    assert halved_at(summarise_images(clean, None)) == {}
