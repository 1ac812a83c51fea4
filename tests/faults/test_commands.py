"""What the commands say, and what they leave alone: as users type them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from stormbench._version import __version__
from stormbench.benchmarks.evaluation.evaluate import evaluate
from stormbench.benchmarks.evaluation.settings import run_name
from stormbench.benchmarks.leaderboard.texts import _harmless
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.errors import InputError
from stormbench.files import is_plain_name

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
SUITE = SUITES["cifar-c"].narrowed(["brightness"], [1])


def run(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "stormbench", *arguments]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, check=False, timeout=120, env=os.environ | environment
    )
    said, told = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    assert "Traceback" not in told, told
    return done.returncode, said, told


def test_version(tmp_path: Path) -> None:
    assert run(tmp_path, "--version") == (0, f"stormbench {__version__}\n", "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_terminals_that_know_few_letters(tmp_path: Path, encoding: str) -> None:
    for arguments in (("score", "--help"), ("list", "suites")):
        assert run(tmp_path, *arguments, PYTHONIOENCODING=encoding)[0] == 0


def test_quiet_is_quiet(tmp_path: Path) -> None:
    how = ("generate", "digits", "a", "--suite", "cifar-c", "--corruptions", "brightness", "--limit", "4")
    code, said, told = run(tmp_path, "--quiet", *how, "--workers", "0")
    assert (code, told) == (0, "")
    assert "4 images" in said
    loud = [*how[:2], "b", *how[3:]]
    assert "generating" in run(tmp_path, *loud, "--workers", "0")[2]


@pytest.mark.parametrize("arguments", [("verify", "nosuch"), ("leaderboard", "file.json"), ("leaderboard", "nosuch")])
def test_what_is_not_there(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "file.json").write_text("{}")
    code, _, told = run(tmp_path, *arguments)
    assert code in (1, 2)
    assert arguments[1] in told
    assert "same command again" not in told


def test_a_photo_is_not_written_over(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "teal").save(tmp_path / "photo.png")
    Image.new("RGB", (40, 40), "navy").save(tmp_path / "other.png")
    (tmp_path / "link.png").symlink_to("photo.png")
    before = {path: path.read_bytes() for path in tmp_path.glob("*.png")}
    for target in ("photo.png", "link.png", "other.png"):
        more = ["--perturbation", "tilt"] if target == "other.png" else []
        code, _, told = run(tmp_path, "show", "photo.png", "-o", target, "--size", "32", *more)
        assert (code, target in told) == (1, True), told
    assert run(tmp_path, "show", "photo.png", "-o", "photo.png", "--force")[0] == 1
    assert {path: path.read_bytes() for path in tmp_path.glob("*.png")} == before


def test_a_result_is_not_written_over_by_its_baseline(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{}")
    (tmp_path / "mine.json").write_text("mine")
    for target in ("result.json", "mine.json"):
        assert run(tmp_path, "baseline", "result.json", "-o", target)[0] == 1
    assert (tmp_path / "result.json").read_text() == "{}"
    assert (tmp_path / "mine.json").read_text() == "mine"


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "..", "", "a/b", "x" * 300, "x\0y"])
def test_names_that_are_paths(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="names its files"):
        evaluate(PLAIN, "digits", SUITE, out=tmp_path / "out", name=name, limit=2)
    assert not list(tmp_path.iterdir())


def test_default_names_of_any_length() -> None:
    long = [run_name(f"checkpoint:{'x' * 240}{end}.pth@resnet18", "imagenet-c", "é" * 120) for end in "ab"]
    assert all(map(is_plain_name, long))
    assert long[0] != long[1]
    assert run_name("torchvision:resnet50@V2", "imagenet-c", "val") == "resnet50-V2.imagenet-c.val"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("=cmd()", "'=cmd()"),
        ("a;=cmd()", "a;'=cmd()"),
        ("a; \t@x", "a; \t'@x"),
        ('a;"=1+1', "a;\"'=1+1"),
        ("resnet50", "resnet50"),
        ("-3.5", "-3.5"),
        ("pgd:step=0.1", "pgd:step=0.1"),
    ],
)
def test_no_cell_is_a_formula(cell: str, expected: str) -> None:
    assert _harmless(cell) == expected


def year_one(path: Path) -> None:
    found = json.loads(path.read_text())
    path.write_text(json.dumps(found | {"created": "0001-01-01T00:00:00", "seal": None}))


def no_outcomes(path: Path) -> None:
    path.with_suffix(".npz").unlink()


def pipe_of_outcomes(path: Path) -> None:
    path.with_suffix(".npz").unlink()
    os.mkfifo(path.with_suffix(".npz"))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


BAD: dict[str, Callable[[Path], object]] = {
    "no fields": lambda path: path.write_text("{}"),
    "empty": lambda path: path.write_text(""),
    "a list": lambda path: path.write_text("[1]"),
    "brackets": lambda path: path.write_text("[" * 100_000),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "year one": year_one,
    "no outcomes": no_outcomes,
    "garbage outcomes": lambda path: path.with_suffix(".npz").write_bytes(b"PK"),
    "a pipe": pipe,
    "a pipe of outcomes": pipe_of_outcomes,
    "changed": lambda path: path.write_text(path.read_text().replace('"seed": 0', '"seed": 1')),
    "a device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "sparse": lambda path: os.truncate(path, 10 * 2**30),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    for name in ("good", "bad"):
        evaluate(PLAIN, "digits", SUITE, out=root, name=name, limit=20 + len(name))
    return root


def test_bad_results_do_not_take_the_board_down(tmp_path: Path, results: Path) -> None:
    """All kinds at once, each in a folder of its own: one board, every bad file named, exit code 1."""
    shutil.copytree(results, tmp_path / "all", ignore=lambda *_: ["bad.json", "bad.npz"])
    for number, damage in enumerate(BAD.values()):
        shutil.copytree(results, tmp_path / f"all/{number}", ignore=lambda *_: ["good.json", "good.npz"])
        damage(tmp_path / f"all/{number}/bad.json")
    code, said, told = run(tmp_path, "leaderboard", "all", "-o", "site")
    assert code == 1
    assert "index.html" in said
    assert [name for number, name in enumerate(BAD) if f"all/{number}/bad" not in told] == []
    assert (tmp_path / "site/leaderboard.csv").read_text().count("networks:plain") == 1


def test_only_bad_results(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/bad.json").write_text("{}")
    code, _, told = run(tmp_path, "leaderboard", "results")
    assert code == 1
    assert "none of the 1 results" in told


def test_brackets_in_help_are_shown(tmp_path: Path) -> None:
    assert "stormbench[lightning]" in run(tmp_path, "train", "oat", "--help", COLUMNS="200")[1]
