"""Training by recipes on data sets: pseudo-labels, their file, and what does not fit."""

from pathlib import Path

import pytest
import torch

from stormbench.benchmarks.training.pseudo_labels import read_pseudo_labels
from stormbench.benchmarks.training.recipes import joined, train_recipe
from stormbench.datasets import open_images
from stormbench.defenses.training import read_recipe
from stormbench.errors import DataError, InputError, ModelError, SettingsChangedError

SHORT = ["epochs=1", "batch=32"]
DIGITS = open_images("digits:train")
LABELLED, MORE = DIGITS.subset(range(32)), DIGITS.subset(range(32, 128))


def test_robust_self_training_from_teacher_to_network(tmp_path: Path) -> None:
    standard = read_recipe("standard").changed(SHORT)
    teacher, _ = train_recipe(standard, LABELLED, tmp_path / "teacher")
    recipe = read_recipe("rst").changed([*SHORT, "inner.steps=1"])
    out = tmp_path / "student"
    _, card = train_recipe(recipe, LABELLED, out, unlabelled=MORE, teacher=f"net:{teacher}")
    found = read_pseudo_labels(out / "pseudo-labels.json")
    assert len(found.labels) == 96
    assert found.agreement == pytest.approx(float((found.array() == MORE.labels).mean()))
    assert card.data["pseudo"]["teacher_digest"] == found.teacher_digest
    other, _ = train_recipe(standard.changed(["seed=1"]), LABELLED, tmp_path / "other")
    with pytest.raises(SettingsChangedError, match="is of another teacher digest; remove it to ask again"):
        train_recipe(recipe, LABELLED, out, unlabelled=MORE, teacher=f"net:{other}")
    with pytest.raises(SettingsChangedError, match="is of another fingerprint"):
        train_recipe(recipe, LABELLED, out, unlabelled=LABELLED, teacher=f"net:{teacher}")
    (out / "pseudo-labels.json").write_text("{}")
    with pytest.raises(DataError, match="is no file of pseudo-labels"):
        train_recipe(recipe, LABELLED, out, unlabelled=MORE, teacher=f"net:{teacher}")
    content = teacher.read_bytes()
    teacher.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match="was changed after it was written"):
        train_recipe(recipe, LABELLED, tmp_path / "new", unlabelled=MORE, teacher=f"net:{teacher}")


def test_what_does_not_fit_is_refused_before_images_are_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs images without labels and a teacher"):
        train_recipe(read_recipe("rst"), LABELLED, tmp_path)
    with pytest.raises(InputError, match="positive numbers"):
        train_recipe(read_recipe("standard"), LABELLED, tmp_path, std=(0.0, 1.0, 1.0))
    assert not list(tmp_path.iterdir())


def test_two_loaders_as_one() -> None:
    def load(offset: int):  # type: ignore[no-untyped-def]
        return lambda indices: (indices.float() + offset, indices + offset)

    both = joined(load(0), 10, load(100))
    for indices in ([3, 12, 0, 15], [1, 2], [11, 10]):
        images, labels = both(torch.tensor(indices))
        assert labels.tolist() == [index if index < 10 else index + 90 for index in indices]
        assert images.tolist() == labels.tolist()
