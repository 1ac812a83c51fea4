"""The table of budgets counts what it says it counts."""

import sys
from collections.abc import Sequence

import pytest

from stormbench.benchmarks.experiments.budget_table import HEADER, main

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
ON = ["--data", "digits", "--limit", "6", "--eps", "1/255"]


def table(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    main([PLAIN, *ON, *arguments])
    head, *rows = capsys.readouterr().out.splitlines()[1:]
    assert head == HEADER.splitlines()[1]
    return [[cell.strip() for cell in row.strip("| ").split("|")] for row in rows]


def test_each_budget_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    ((name, budget, clean, left, passes, _, verdict),) = table(["--budget", "quick"], capsys)
    assert (name, budget) == ("`plain`", "quick")
    assert 0 <= int(left.split()[0]) <= int(clean) <= 6
    assert 2 <= int(passes) <= 20 + 40 + 20  # PGD-20 and PGD-40 at most, and what judges them
    assert verdict in ("not robust", "undetermined", "raises the cost only")


def test_errors_are_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "torchattacks", None)
    with pytest.raises(SystemExit, match="pip install torchattacks"):
        table(["--budget", "quick", "--reference"], capsys)
    with pytest.raises(SystemExit, match="no budget named 'quik'"):
        table(["--budget", "quik"], capsys)
