from importlib.resources import files
from pathlib import Path

import pytest

from stormbench.errors import InputError, UnknownNameError
from stormbench.metrics import BASELINES, Baseline, load_baseline
from stormbench.metrics.baselines import published_rows, write_baseline

MEASURED = Baseline(
    name="mine",
    suite="imagenet-p",
    sources={"flip_probability": "a run of mine"},
    flip_probability={"tilt": 0.1},
)


def test_every_shipped_file_is_listed() -> None:
    shipped = {path.name for path in files("stormbench.metrics.baselines").iterdir() if path.name.endswith(".toml")}
    assert shipped == {f"{name}.toml" for name in BASELINES} | {"published.toml"}


@pytest.mark.parametrize("name", BASELINES)
def test_shipped_baselines_say_who_they_are(name: str) -> None:
    baseline = load_baseline(name)
    assert baseline.name == name
    assert baseline.summary
    assert baseline.source


def test_unconfirmed_figures_do_not_ship() -> None:
    """No document confirms AlexNet's flip probabilities and top-5 distances."""
    alexnet = load_baseline("alexnet")
    assert not alexnet.flip_probability
    assert not alexnet.top5_distance


def test_published_rows_name_their_source() -> None:
    rows = published_rows()
    assert all(len(row.source) > 20 for row in rows)
    assert all(row.mce is not None or row.mfr is not None for row in rows)
    keys = [(row.model, row.source) for row in rows]
    assert len(set(keys)) == len(keys)


def test_write_and_load(tmp_path: Path) -> None:
    write_baseline(MEASURED, tmp_path / "mine.json")
    assert load_baseline(tmp_path / "mine.json") == MEASURED
    assert load_baseline(str(tmp_path / "mine.json")) == MEASURED
    with pytest.raises(InputError, match=r"\.json"):
        write_baseline(MEASURED, tmp_path / "mine.toml")


def test_load_toml(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    path.write_text(
        'name = "b"\nsuite = "imagenet-c"\nclean = 0.4\nsources = {clean = "me", errors = "me"}\n[errors]\nfog = 0.5\n'
    )
    assert load_baseline(path).errors == {"fog": 0.5}


def test_unknown_names_get_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="alexnet"):
        load_baseline("alexnt")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('name = "b"\nsuite = "x"\nclean = 0.4\nsources = {}', "no source"),
        ('name = "b"\nsuite = "x"\nclean = 43.5\nsources = {clean = "me"}', "clean"),
        ('name = "b"\nsuite = "x"\nsources = {errors = "me"}\n[errors]\nfog = [0.1, 0.2]', "errors.fog"),
        ("name = ", "cannot read"),
        ('name = "b"\nsuite = "x"\nsources = {}\nsurprise = 1', "surprise"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"broken.toml.*{complaint}|{complaint}.*broken.toml"):
        load_baseline(path)


def test_a_result_file_is_no_baseline(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"cells": []}')
    with pytest.raises(InputError, match="is not a baseline"):
        load_baseline(path)
