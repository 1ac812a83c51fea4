"""Folders that are no class folders say what they are; classes are matched before any image is looked at."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stormbench.benchmarks.evaluation.evaluate import score
from stormbench.datasets import match_classes, open_images
from stormbench.errors import DataError

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"


def photo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16)).save(path)


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["train/a/x.png", "val/a/x.png"], r"parts of a data set \(train, val\)"),
        (["val/x.png"], r"parts of a data set \(val\)"),
        (["ILSVRC2012_val_00000001.JPEG"], "no sub-folders.*named by synset"),
        (["fog/1/n01440764/x.JPEG", "snow/1/n01440764/x.JPEG"], "corrupted set: give it as --released"),
    ],
)
def test_folders_that_are_no_classes(tmp_path: Path, paths: list[str], expected: str) -> None:
    for path in paths:
        photo(tmp_path / path)
    with pytest.raises(DataError, match=expected):
        open_images(tmp_path)


def test_a_folder_of_cifar_10_c(tmp_path: Path) -> None:
    for name in ("fog", "labels"):
        np.save(tmp_path / f"{name}.npy", np.zeros(3, np.uint8))
    with pytest.raises(DataError, match="corrupted set: give it as --released"):
        open_images(tmp_path)


def test_numbers_as_names_of_folders_are_not_outputs_of_imagenet(tmp_path: Path) -> None:
    for number in range(10):
        photo(tmp_path / f"{number}/x.png")
    images = open_images(tmp_path)
    assert match_classes(images, 10).tolist() == list(range(10))
    with pytest.raises(DataError, match=r"has 10 classes .*, the model 1000"):
        match_classes(images, 1000)


def test_labels_that_begin_at_one(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros((3, 16, 16, 3), np.uint8), labels=[1, 5, 10])
    with pytest.raises(DataError, match="run from 1 to 10, those of the model from 0 to 9: subtract 1"):
        match_classes(open_images(tmp_path / "x.npz"), 10)


def test_other_files_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    photo(tmp_path / "a/x.png")
    for name in ("x.gif", "y.heic", "z.txt"):
        (tmp_path / "a" / name).touch()
    with caplog.at_level(logging.WARNING):
        assert len(open_images(tmp_path)) == 1
    assert "3 files are left out, such as a/x.gif" in caplog.text


def test_classes_are_matched_before_images_are_decoded(tmp_path: Path) -> None:
    photo(tmp_path / "data/cat/x.png")
    (tmp_path / "data/cat/broken.png").touch()
    with pytest.raises(DataError, match="the model 10"):
        score(PLAIN, tmp_path / "data", "cifar-c", out=tmp_path / "out")


def tiny(root: Path, lines: list[str]) -> Path:
    for number in range(3):
        photo(root / f"images/val_{number}.JPEG")
    (root / "val_annotations.txt").write_text("".join(f"{line}\n" for line in lines))
    return root


def test_tiny_imagenet_as_it_is_downloaded(tmp_path: Path) -> None:
    root = tiny(
        tmp_path / "val",
        ["val_0.JPEG\tn02124075\t0\t1\t2\t3", "val_1.JPEG\tn01443537\t0\t1\t2\t3", "val_2.JPEG\tn02124075\t0\t1\t2\t3"],
    )
    images = open_images(root)
    assert images.classes == ("n01443537", "n02124075")
    assert list(images.keys) == ["n01443537/val_1.JPEG", "n02124075/val_0.JPEG", "n02124075/val_2.JPEG"]
    assert images.labels.tolist() == [0, 1, 1]
    assert images.subset([2]).read(0).size == (16, 16)
    assert images.digest(1)


@pytest.mark.parametrize("line", ["val_0.JPEG", "../../x\tn01443537", "val_0.JPEG\t../x", ""])
def test_annotations_that_are_none(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match=r"val_annotations\.txt"):
        open_images(tiny(tmp_path, [line]))
