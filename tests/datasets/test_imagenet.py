"""Labels in the model's index space."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stormbench.datasets import match_classes, open_images
from stormbench.datasets.classes import synsets
from stormbench.errors import DataError


def tree(root: Path, classes: list[str]):
    for name in classes:
        (root / name).mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(root / name / "x.png")
    return open_images(root)


def test_the_table() -> None:
    assert len(set(synsets())) == 1000
    assert list(synsets()) == sorted(synsets())
    assert (synsets()[0], synsets()[999]) == ("n01440764", "n15075141")


def test_the_table_is_the_one_beside_the_images(shared: Path) -> None:
    rows = (shared / "data/imagenet/imagenet_classes.csv").read_text().splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == list(synsets())


def test_a_partial_imagenet_tree_goes_by_synset(tmp_path: Path) -> None:
    images = tree(tmp_path / "val", ["n01443537", "n15075141", "n01440764"])
    assert match_classes(images, 1000).tolist() == [0, 1, 999]


def test_a_synset_outside_the_thousand_is_named(tmp_path: Path) -> None:
    images = tree(tmp_path / "val", ["n01440764", "n99999999"])
    with pytest.raises(DataError, match=r"1 of the 2 classes of val .*\(n99999999\)"):
        match_classes(images, 1000)


def test_as_many_classes_as_outputs_go_in_order(tmp_path: Path) -> None:
    images = tree(tmp_path / "pets", ["dog", "cat", "n01440764"])
    assert match_classes(images, 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize("outputs", [2, 10, 1000])
def test_another_number_of_classes_is_refused(tmp_path: Path, outputs: int) -> None:
    images = tree(tmp_path / "pets", ["dog", "cat", "cow"])
    with pytest.raises(DataError, match=rf"pets has 3 classes \(cat, cow, dog\), the model {outputs}"):
        match_classes(images, outputs)


def test_bare_numbers_are_outputs(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros((3, 16, 16, 3), np.uint8), labels=[4, 0, 2])
    images = open_images(tmp_path / "x.npz")
    assert match_classes(images, 10).tolist() == [4, 0, 2]
    assert match_classes(images, 1000).tolist() == [4, 0, 2]
    with pytest.raises(DataError, match="5 classes"):
        match_classes(images, 4)


def test_numbers_in_the_order_of_text_are_refused(tmp_path: Path) -> None:
    images = tree(tmp_path / "x", [str(number) for number in range(12)])
    with pytest.raises(DataError, match="pad the names"):
        match_classes(images, 12)
    padded = tree(tmp_path / "y", [f"{number:02}" for number in range(12)])
    assert match_classes(padded, 12).tolist() == list(range(12))
