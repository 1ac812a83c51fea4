"""Torch datasets as image sets: what they hold, how they travel, and what is refused."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Subset, TensorDataset

from stormbench.datasets import open_images
from stormbench.datasets.readers.arrays import from_arrays
from stormbench.datasets.readers.folder import FolderImages
from stormbench.datasets.readers.torch_datasets import from_torch
from stormbench.errors import BrokenImageError, DataError
from stormbench.torchvision_guard import import_torchvision

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
LABELS = [0, 2, 1, 0, 1, 2]
FORMS = {
    "PIL": Image.fromarray,
    "uint8 array": lambda pixels: pixels,
    "uint8 tensor": lambda pixels: torch.from_numpy(pixels.transpose(2, 0, 1).copy()),
    "ToTensor": lambda pixels: torch.from_numpy(pixels.transpose(2, 0, 1).copy()) / 255,
    "half": lambda pixels: (torch.from_numpy(pixels.transpose(2, 0, 1).copy()) / 255).half(),
    "float64 array": lambda pixels: pixels / 255,
}


class Listed:
    """A dataset over a list of items."""

    def __init__(self, items: list[Any], **attributes: Any) -> None:
        self.items = items
        vars(self).update(attributes)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


def pairs(make: Any = Image.fromarray) -> list[Any]:
    return [(make(pixels), label) for pixels, label in zip(PIXELS, LABELS, strict=True)]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_pixels_and_digests_of_the_arrays(form: str) -> None:
    images, arrays = from_torch(Listed(pairs(FORMS[form]))), from_arrays(PIXELS, np.array(LABELS))
    assert list(images.keys) == list(arrays.keys)
    assert images.labels.tolist() == LABELS
    assert images.classes == ("0", "1", "2")
    for index in range(6):
        np.testing.assert_array_equal(np.asarray(images.read(index)), PIXELS[index])
        assert images.digest(index) == arrays.digest(index)


def test_mappings_tensor_datasets_and_grey_images_are_read() -> None:
    mapped = from_torch(Listed([{"img": image, "fine_label": label} for image, label in pairs()]))
    np.testing.assert_array_equal(np.asarray(mapped.read(3)), PIXELS[3])
    grey = torch.from_numpy(PIXELS[..., :1].transpose(0, 3, 1, 2).copy())
    images = from_torch(TensorDataset(grey, torch.tensor(LABELS)), name="grey")
    assert images.name == "grey"
    assert images.labels.tolist() == LABELS
    np.testing.assert_array_equal(np.asarray(images.read(1)), np.repeat(PIXELS[1, ..., :1], 3, axis=2))


def test_parts_keep_their_keys_and_sets_travel() -> None:
    part = from_torch(Subset(Listed(pairs(), classes=["a", "b", "c"]), [4, 1]))
    copy = pickle.loads(pickle.dumps(part.subset([1])))
    assert (part.keys, part.labels.tolist(), part.classes) == (("4", "1"), [1, 2], ("a", "b", "c"))
    assert copy.keys == ("1",)
    assert copy.digest(0) == part.digest(1)


def test_image_folders_are_the_set_of_their_path(tmp_path: Path) -> None:
    import_torchvision()
    from torchvision import datasets

    for number, pixels in enumerate(PIXELS):
        (tmp_path / "val" / f"class{number % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "val" / f"class{number % 2}" / f"{number}.png")
    opened = open_images(tmp_path / "val")
    images = from_torch(datasets.ImageFolder(tmp_path / "val"))
    assert isinstance(images, FolderImages)
    assert images == opened
    assert images.labels.tolist() == opened.labels.tolist()
    halves = from_torch(datasets.ImageFolder(tmp_path / "val", lambda image: image.resize((2, 2))))
    assert halves.keys == opened.keys  # so that they are corrupted by the same draws
    assert halves.read(0).size == (2, 2)
    assert halves.digest(0) != opened.digest(0)


def test_labels_that_are_listed_are_held_against_the_items() -> None:
    with pytest.raises(DataError, match="item 0 of odd has label 0, its list of labels 1"):
        from_torch(Listed(pairs(), targets=[1, *LABELS[1:]]), name="odd")


class Fails(Listed):
    """Fails on one item."""

    def __getitem__(self, index: int) -> Any:
        if index == 10:
            raise OSError("the disk is gone")
        return self.items[index]


def test_an_item_that_fails_is_a_broken_image() -> None:
    images = from_torch(Fails(pairs() * 2, targets=LABELS * 2))
    with pytest.raises(BrokenImageError, match="item 10 of fails cannot be read: the disk is gone"):
        images.read(10)


class Random(Listed):
    """Another image each time."""

    def __getitem__(self, index: int) -> Any:
        return torch.randint(0, 256, (3, 4, 4), dtype=torch.uint8), 0


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        (Listed(pairs(lambda pixels: (torch.from_numpy(pixels / 255).permute(2, 0, 1) - 0.5) / 0.2)), "8-bit levels"),
        (Listed(pairs(lambda pixels: pixels.astype(np.int64))), r"int64 \(4, 5, 3\)"),
        (Listed(pairs(lambda pixels: pixels[..., :2])), r"uint8 \(4, 5, 2\)"),
        (Listed([Image.new("RGB", (4, 4))]), "expected items"),
        (Listed([(Image.new("RGB", (4, 4)), 0.5)]), "0.5 of type float"),
        (Listed([(Image.new("RGB", (4, 4)), -1)]), "one is -1"),
        (Listed([(Image.new("RGB", (4, 4)), 2)], classes=["a", "b"]), "labels of listed run to 2"),
        (Listed([]), "is empty"),
        (Random([0]), "another image each time item 0"),
        (iter([]), "is no dataset"),
    ],
)
def test_what_is_no_dataset_of_images_is_refused(dataset: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        from_torch(dataset)
