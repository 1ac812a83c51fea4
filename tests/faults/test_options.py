"""Values of options that mean nothing, or too much: the option is named, and nothing is begun."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stormbench.benchmarks.suites.registry import SUITES
from stormbench.cli import app
from stormbench.errors import InputError

SCORE = ("score", "python:stormbench.benchmarks.demo.networks:plain", "--data", "digits", "--suite", "cifar-c")
ATTACK = ("attack", "python:stormbench.benchmarks.demo.networks:plain", "--data", "digits", "--suite", "cifar-c")
GENERATE = ("generate", "digits", "out", "--suite", "cifar-c")
MISTAKES = [
    (GENERATE, "--severities", "5-1"),
    (GENERATE, "--severities", ","),
    (GENERATE, "--severities", ""),
    (GENERATE, "--severities", "high"),
    (GENERATE, "--severities", "1-"),
    (GENERATE, "--severities", "1-99999999999"),
    (GENERATE, "--corruptions", ","),
    (GENERATE, "--corruptions", ""),
    (GENERATE, "--corruptions", "fog,,snow"),
    (SCORE, "--severities", "5-1"),
    (SCORE, "--corruptions", " , "),
    (SCORE, "--mean", "abc"),
    (SCORE, "--std", "1,2"),
    (ATTACK, "--eps", "eight"),
    (ATTACK, "--eps", "1/0"),
    (ATTACK, "--mean", "abc"),
]


@pytest.mark.parametrize(("command", "option", "value"), MISTAKES)
def test_mistakes_name_their_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], option: str, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [*command, option, value])
    assert done.exit_code == 2, done.output
    assert option in re.sub(r"\x1b\[[0-9;]*m", "", done.output)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suite", [SUITES["cifar-c"], SUITES["cifar-p"]], ids=lambda suite: suite.name)
@pytest.mark.parametrize("choice", [([], None), (None, [])])
def test_choosing_nothing_is_not_choosing_everything(suite: object, choice: tuple[object, object]) -> None:
    with pytest.raises(InputError, match="are chosen; name some"):
        suite.narrowed(*choice)


@pytest.mark.parametrize(
    "command", [ATTACK, ("gate", ATTACK[1], ATTACK[1], "--worse", "1", *ATTACK[2:]), (*SCORE, "--precision", "5")]
)
def test_a_suite_of_sequences_is_refused_where_corruptions_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [*command, "--suite", "cifar-p"])
    said = f"{done.exception}{done.stderr}"
    assert "cifar-p is a suite of sequences; a suite of corruptions is wanted here: imagenet-c" in said
    assert {path.name for path in tmp_path.iterdir()} <= {"gate"}  # whose report tells a CI what went wrong
