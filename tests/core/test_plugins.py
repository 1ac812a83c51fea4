"""Corruptions and defenses of the user's own, by ``python:FILE.py:NAME``."""

from pathlib import Path

import numpy as np
import pytest

from stormbench.benchmarks import SUITES, evaluate, generate
from stormbench.benchmarks.analysis.summary import summarise
from stormbench.corruptions import CORRUPTIONS, corrupt
from stormbench.defenses.specs import split_spec
from stormbench.errors import InputError

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
CODE = '''
import torch
from stormbench.corruptions import Corruption
from stormbench.defenses import Defense

def darken(image, draws, *, by: int):
    """Takes some grey levels from every value."""
    return image - image.clip(max=by)

rows = tuple({"by": by} for by in (10, 20, 40, 80, 160))
dark = Corruption("dark", "own", False, darken, {"cifar": rows, "imagenet": rows})
nothing = 3

class Negative(Defense):
    """Shows the negative."""
    def __init__(self, model, *, share: float = 1.0):
        super().__init__(model)
        self.share = share
    def transform(self, images):
        return self.share * (1 - images) + (1 - self.share) * images
'''


@pytest.fixture
def mine(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(CODE)
    return f"python:{tmp_path / 'mine.py'}"


def test_own_corruptions_are_scored_and_enter_no_index(mine: str, tmp_path: Path) -> None:
    image = np.full((32, 32, 3), 100, np.uint8)
    assert corrupt(image, f"{mine}:dark", 4, scale="cifar", rng=np.random.default_rng(0)).max() == 20
    suite = SUITES["cifar-c"].narrowed(["fog", f"{mine}:dark"], [1, 5])
    run = evaluate(PLAIN, "digits", suite, out=tmp_path / "both", limit=16, workers=2)
    alone = evaluate(PLAIN, "digits", suite.narrowed(["fog"], None), out=tmp_path / "fog", limit=16)
    assert run.cells == [("clean", 0), ("fog", 1), ("fog", 5), (f"{mine}:dark", 1), (f"{mine}:dark", 5)]
    assert summarise(run).figures["mean_error"] == summarise(alone).figures["mean_error"]
    assert f"{mine}:dark" not in list(CORRUPTIONS)  # nothing is left in the registry's iteration


def test_own_defenses_take_settings(mine: str, tmp_path: Path) -> None:
    bare = SUITES["cifar-c"].narrowed(["brightness"], [1])
    harmless = evaluate(PLAIN, "digits", bare, out=tmp_path / "a", limit=16, defense=f"{mine}:Negative:share=0")
    harmful = evaluate(PLAIN, "digits", bare, out=tmp_path / "b", limit=16, defense=f"{mine}:Negative")
    assert harmless.result.cells[0].wrong < harmful.result.cells[0].wrong
    assert split_spec(f"{mine}:Negative:share=0") == (f"{mine}:Negative", "share=0")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        (":nothing", "is a int; expected a stormbench.corruptions.Corruption"),
        (":absent", "has no 'absent'; it has: "),
        ("", "is not python:FILE.py:NAME"),
    ],
)
def test_what_is_no_corruption_is_refused(mine: str, name: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        SUITES["cifar-c"].narrowed([f"{mine}{name}" if name else "python:alone"], None)


def test_files_that_fail_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nosuchmodule")
    with pytest.raises(InputError, match=r"broken\.py cannot be imported: ModuleNotFoundError"):
        SUITES["cifar-c"].narrowed([f"python:{tmp_path / 'broken.py'}:x"], None)


def test_own_corruptions_are_not_written_as_sets(mine: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can be scored, not written"):
        generate("digits", tmp_path / "set", "cifar-c", corruptions=[f"{mine}:dark"], limit=2)
