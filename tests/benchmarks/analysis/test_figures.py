"""Why a run has no mCE."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from stormbench.benchmarks.analysis.summary import summarise
from stormbench.benchmarks.results.run import Run
from stormbench.cells import CLEAN, Cell
from stormbench.metrics import TEST_CORRUPTIONS
from stormbench.metrics.baselines import load_baseline


def cells(names: Sequence[str], severities: Sequence[int]) -> list[Cell]:
    return [(name, severity) for name in names for severity in severities]


FIVE, ALL = (1, 2, 3, 4, 5), TEST_CORRUPTIONS


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (cells(ALL[:3], FIVE), "12 not run."),
        (cells(ALL, (1, 3)), "15 run only at severity 1, 3."),
        (cells(ALL[:3], FIVE) + cells(ALL[3:10], (2,)), "5 not run, 7 run only at severity 2."),
    ],
)
def test_the_note_says_what_is_missing(write_run: Callable[..., Path], run: list[Cell], reason: str) -> None:
    summary = summarise(Run.open(write_run(cells=[(CLEAN, 0), *run])), load_baseline("alexnet"))
    assert summary.notes == (f"mCE needs all fifteen corruptions at five severities; {reason}",)


def test_nor_is_there_one_where_the_baseline_lacks_a_corruption(write_run: Callable[..., Path]) -> None:
    alexnet = load_baseline("alexnet")
    lacking = alexnet.model_copy(update={"errors": {name: alexnet.errors[name] for name in ALL[1:]}})
    (note,) = summarise(Run.open(write_run()), lacking).notes
    assert note.endswith("; 1 not in the baseline.")
