"""The reference's own sequences, bit for bit."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stormbench.corruptions.perturbations import PERTURBATIONS, perturb

REPRODUCIBLE = [name for name in PERTURBATIONS if name != "gaussian_noise"]  # that one drew from torch
PHOTOS = ("n01740131_night_snake", "n02325366_wood_rabbit")


def resized_photo(shared: Path, photo: str) -> np.ndarray:
    """Short side 256, then RGB, as torchvision's Resize on the opened file."""
    (path,) = (shared / "data/imagenet/one-per-class").rglob(f"{photo}*")
    image = Image.open(path)
    width, height = image.size
    size = (256, int(256 * height / width)) if width <= height else (int(256 * width / height), 256)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR).convert("RGB"))


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("name", REPRODUCIBLE)
def test_imagenet(shared: Path, name: str, photo: str) -> None:
    state = np.random.RandomState(0)
    frame = resized_photo(shared, photo)
    level = 1
    if name == "shot_noise":  # its block at 224 writes all three levels to the same files: the third one remains
        for level in (1, 2):
            list(perturb(frame, name, level=level, rng=state))
        level = 3
    frames = list(perturb(frame, name, level=level, rng=state))
    wanted = sorted((shared / "golden/sequences/in224" / name / photo).glob("*.png"))
    assert len(wanted) == 7
    for path in wanted:
        np.testing.assert_array_equal(frames[int(path.stem)], np.asarray(Image.open(path)), err_msg=path.stem)


@pytest.mark.parametrize("name", REPRODUCIBLE)
def test_cifar(shared: Path, name: str) -> None:
    images = np.load(shared / "data/cifar10/cifar10_test_first1000.npz")["images"]
    golden = np.load(shared / "golden/sequences/cifar32.npz")
    for index in (3, 17, 25):
        frames = np.stack(list(perturb(images[index], name, rng=np.random.RandomState(0))))
        np.testing.assert_array_equal(frames, golden[f"{name}_cifar{index}"], err_msg=str(index))
