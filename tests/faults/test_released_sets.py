"""Sets that are not those of the images they are scored with: refused at the first row, length or type that differs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stormbench.benchmarks.generation.generate import generate
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.datasets import open_images
from stormbench.datasets.on_disk.image_reader import open_released
from stormbench.datasets.on_disk.sequence_reader import open_released_sequences
from stormbench.errors import DataError

IMAGES = 20
SUITE = SUITES["cifar-c"].narrowed(["brightness"], None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images as arrays, and their set in the published layout, without a manifest."""
    root = tmp_path_factory.mktemp("made")
    digits = open_images("digits").subset(range(IMAGES))
    np.save(root / "images.npy", np.stack([np.asarray(digits.read(i)) for i in range(IMAGES)]))
    np.save(root / "labels.npy", digits.labels)
    generate(root / "images.npy", root / "set", SUITE)
    (root / "set/manifest.json").unlink()
    return root


def change(root: Path, tmp_path: Path, name: str, by: Callable[[Any], Any]) -> Path:
    """A copy of the set with one array changed."""
    (tmp_path / "set").mkdir()
    for path in (root / "set").glob("*.npy"):
        array = np.load(path)
        np.save(tmp_path / "set" / path.name, by(array) if path.stem == name else array)
    return tmp_path / "set"


CHANGES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "rows of one severity": ("brightness", lambda a: a[:IMAGES], "100 labels, brightness.npy 20 rows"),
    "no multiple": ("brightness", lambda a: a[:-1], "99 rows, which are not 5 severities"),
    "float": ("brightness", lambda a: a.astype(np.float32), "holds float32"),
    "int64": ("brightness", lambda a: a.astype(np.int64), "holds int64"),
    "grey": ("brightness", lambda a: a[..., 0], "expected uint8 images"),
    "shifted labels": ("labels", lambda a: np.roll(a, 1), "labels differ, first in row"),
    "too few labels": ("labels", lambda a: a[:-5], "95 labels, brightness.npy 100 rows"),
    "labels of a network": ("labels", lambda a: np.eye(10)[a], "expected whole numbers"),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("limit", [IMAGES, 4])
def test_arrays_that_are_others(made: Path, tmp_path: Path, name: str, limit: int) -> None:
    array, by, expected = CHANGES[name]
    images = open_images(made / "images.npy").subset(range(limit))
    with pytest.raises(DataError, match=expected):
        open_released(change(made, tmp_path, array, by), images, None, SUITE.cells)


def test_one_severity_is_not_cut_into_five(made: Path, tmp_path: Path) -> None:
    """As many rows as images, and labels that say so."""
    root = change(made, tmp_path, "brightness", lambda array: array[:IMAGES])
    np.save(root / "labels.npy", np.load(root / "labels.npy")[:IMAGES])
    with pytest.raises(DataError, match="do not repeat 5 times"):
        open_released(root, open_images(made / "images.npy").subset(range(4)), None, SUITE.cells)


@pytest.mark.parametrize("labels", [slice(None), slice(IMAGES)], ids=["each block", "once"])
def test_the_very_images_are_taken(made: Path, tmp_path: Path, labels: slice) -> None:
    root = change(made, tmp_path, "labels", lambda array: array[labels])
    for limit in (IMAGES, 4):
        open_released(root, open_images(made / "images.npy").subset(range(limit)), None, SUITE.cells)


def test_other_or_shuffled_images(made: Path) -> None:
    shuffled = open_images(made / "images.npy")
    order = np.roll(np.arange(IMAGES), 1)
    np.save(made / "other.npy", np.load(made / "images.npy")[order])
    np.save(made / "other-labels.npy", np.asarray(shuffled.labels)[order])
    others = open_images(f"{made / 'other.npy'},{made / 'other-labels.npy'}")
    with pytest.raises(DataError, match="was not made of other in this order"):
        open_released(made / "set", others, None, SUITE.cells)


def test_an_array_that_has_changed_since(tmp_path: Path) -> None:
    generate("digits", tmp_path / "set", SUITE, limit=8)
    array = np.load(tmp_path / "set/brightness.npy")
    array[0, 0, 0, 0] ^= 1
    np.save(tmp_path / "set/brightness.npy", array)
    with pytest.raises(DataError, match=r"brightness\.npy has changed since"):
        open_released(tmp_path / "set", open_images("digits").subset(range(8)), None, SUITE.cells)


def test_sequences_of_other_images(tmp_path: Path) -> None:
    suite = SUITES["cifar-p"].narrowed(["brightness"], None)
    generate("digits", tmp_path / "set", suite, limit=6)
    (tmp_path / "set/manifest.json").unlink()
    digits = open_images("digits")
    first = digits.subset(range(6))
    np.save(tmp_path / "x.npy", np.stack([np.asarray(first.read(i)) for i in range(6)]))
    np.save(tmp_path / "labels.npy", first.labels)
    open_released_sequences(tmp_path / "set", open_images(tmp_path / "x.npy"), suite.scale, suite.cells)
    np.save(tmp_path / "labels.npy", first.labels[::-1])
    with pytest.raises(DataError, match="labels differ"):
        open_released_sequences(tmp_path / "set", open_images(tmp_path / "x.npy"), suite.scale, suite.cells)


def test_fewer_images_than_the_set_has_are_held_against_its_pixels(tmp_path: Path) -> None:
    """With --limit the manifest's fingerprint says nothing: a few images are made again."""
    from stormbench.benchmarks.evaluation.evaluate import score

    generate("digits", tmp_path / "set", SUITE, limit=12)
    np.save(tmp_path / "x.npy", np.zeros((1797, 32, 32), np.uint8))
    digits = open_images("digits")
    rows = np.array([int(key) for key in digits.keys])
    labels = np.zeros(1797, np.int64)
    labels[rows] = digits.labels
    np.save(tmp_path / "labels.npy", labels)
    black = open_images(tmp_path / "x.npy").subset(rows)
    model = "python:stormbench.benchmarks.demo.networks:plain"
    score(model, "digits", SUITE, out=tmp_path, limit=5, released=tmp_path / "set")
    with pytest.raises(DataError, match="was not made of the images of"):
        score(model, black, SUITE, out=tmp_path, limit=5, released=tmp_path / "set")
