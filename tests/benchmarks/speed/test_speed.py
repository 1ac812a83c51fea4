"""What the speed measurement says, not how fast things are."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stormbench.benchmarks.speed.measure import Contender, Measurement, measure, ours, photographs, reference_module
from stormbench.benchmarks.speed.report import SUMS, footnotes, speed_table, totals
from stormbench.errors import InputError

MACHINE = {"date": "2026-01-01", "processor": "P", "cores": 1, "load": 0.0, "python": "3.11", "libraries": {}}

TOTAL = "the 15"


def cell(contender: str, name: str, severity: int, *milliseconds: float) -> Measurement:
    return Measurement(contender, name, severity, milliseconds)


def test_photographs_are_sixteen_and_differ() -> None:
    photos = photographs()
    assert {photo.shape for photo in photos} == {(224, 224, 3)}
    assert len({photo.tobytes() for photo in photos}) == 16


def test_all_contenders_see_the_same_and_failures_are_told() -> None:
    def broken(image: np.ndarray, name: str, severity: int) -> np.ndarray:
        raise RuntimeError("no")

    contenders = [ours(), Contender("broken", broken, frozenset({"contrast"}))]
    results = list(measure(contenders, ["contrast", "frost"], [1, 2], photographs()[:2], times=1))
    assert [(r.contender, r.corruption, r.severity) for r in results] == [
        ("stormbench", "contrast", 1),
        ("broken", "contrast", 1),
        ("stormbench", "contrast", 2),
        ("broken", "contrast", 2),
        ("stormbench", "frost", 1),
        ("stormbench", "frost", 2),
    ]
    assert all(len(r.milliseconds) == 2 for r in results if r.contender == "stormbench")
    assert footnotes(results)[0] == "broken failed at contrast, severity 1: RuntimeError: no"


def test_sum_is_over_the_fifteen_only() -> None:
    results = [cell("a", name, 3, 1.0, 2.0, 9.0) for name in (*SUMS[TOTAL], "spatter")]
    assert totals(results)["a", TOTAL] == {3: 30.0}
    assert np.isnan(totals(results[1:])["a", TOTAL][3])


def test_ratios_are_of_typical_times() -> None:
    results = [cell(who, "fog", s, took) for who, took in (("a", 2.0), ("imagecorruptions-imaug", 5.0)) for s in (3, 4)]
    table = speed_table(results, MACHINE)
    cells = [list(column.cells) for column in table.columns]
    assert [column[0] for column in cells] == ["fog *", "2.00", "4.00", "5.00", "2.5x", "10.00", "2.5x"]
    assert cells[0][1] == TOTAL


def test_a_module_of_reference_functions_takes_part(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(
        "import numpy as np\ndef contrast(x, severity=1):\n    return np.asarray(x) * 0.5\n"
    )
    contender = reference_module(tmp_path / "theirs.py")
    assert contender.names == {"contrast"}
    assert contender.run(np.full((16, 16, 3), 9, np.uint8), "contrast", 3)[0, 0, 0] == 4
    with pytest.raises(InputError, match="is not a Python file"):
        reference_module(tmp_path / "none.py")
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(InputError, match="defines none of"):
        reference_module(tmp_path / "empty.py")


def test_the_command_prints_json() -> None:
    pytest.importorskip("imagecorruptions")
    command = [
        sys.executable,
        "-m",
        "stormbench.benchmarks.speed",
        "--corruptions",
        "contrast",
        "--severities",
        "1",
        "--photos",
        "1",
        "--json",
    ]
    printed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    assert [c["contender"] for c in printed["cells"]] == ["stormbench", "imagecorruptions-imaug"]
    assert printed["machine"]["cores"] >= 1


def test_a_leaderboard_is_built_and_sorted() -> None:
    command = [sys.executable, "-m", "stormbench.benchmarks.speed", "--page", "2"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    assert found["rows"] > 2
    assert found["seconds"] > 0
    assert found["megabytes"] < 6
    assert found["typical_sort"] is None or all(each > 0 for each in found["sorting"])
