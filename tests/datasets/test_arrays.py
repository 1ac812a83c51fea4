"""Arrays of images, and what is refused about them."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stormbench.datasets import open_images
from stormbench.datasets.images import digest_of
from stormbench.errors import DataError


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (6, 20, 24, 3), dtype=np.uint8)


LABELS = np.array([0, 2, 1, 2, 0, 1])


def test_npz(tmp_path: Path, images: NDArray[np.uint8]) -> None:
    path = tmp_path / "small.npz"
    np.savez_compressed(path, images=images, labels=LABELS.astype(np.int32))
    found = open_images(path)
    assert (found.name, len(found), found.classes, found.keys[:2]) == ("small", 6, ("0", "1", "2"), ("0", "1"))
    np.testing.assert_array_equal(np.asarray(found.read(3)), images[3])
    assert found.digest(3) == digest_of(images[3].tobytes())
    assert found.labels.dtype == np.int64


def test_npz_with_class_names(tmp_path: Path, images: NDArray[np.uint8]) -> None:
    np.savez(tmp_path / "x.npz", images=images, labels=LABELS, classes=["ant", "bee", "cat", "dog"])
    assert open_images(tmp_path / "x.npz").classes == ("ant", "bee", "cat", "dog")


def test_npy_pair(tmp_path: Path, images: NDArray[np.uint8]) -> None:
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", LABELS)
    np.save(tmp_path / "others.npy", LABELS[::-1])
    beside = open_images(tmp_path / "images.npy")
    assert beside.name == tmp_path.name
    np.testing.assert_array_equal(beside.labels, LABELS)
    named = open_images(f"npy:{tmp_path}/images.npy,{tmp_path}/others.npy")
    np.testing.assert_array_equal(named.labels, LABELS[::-1])


def test_pickle_holds_no_pixels(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((64, 64, 64, 3), np.uint8))
    np.save(tmp_path / "labels.npy", np.arange(64) % 2)
    content = pickle.dumps(open_images(tmp_path / "images.npy"))
    assert len(content) < 8192
    assert pickle.loads(content).read(63).size == (64, 64)


def test_subset_keeps_keys(tmp_path: Path, images: NDArray[np.uint8]) -> None:
    np.savez(tmp_path / "x.npz", images=images, labels=LABELS)
    part = open_images(tmp_path / "x.npz").subset([5, 3, 1]).subset([1, 2])
    assert part.keys == ("3", "1")
    np.testing.assert_array_equal(np.asarray(part.read(0)), images[3])
    assert part.labels.tolist() == [2, 2]
    assert part.classes == ("0", "1", "2")
    assert len(part.subset([])) == 0


@pytest.mark.parametrize("shape", [(6, 20, 24), (6, 20, 24, 1)])
def test_grey_becomes_rgb(tmp_path: Path, images: NDArray[np.uint8], shape: tuple[int, ...]) -> None:
    np.savez(tmp_path / "x.npz", images=images[..., 0].reshape(shape), labels=LABELS)
    pixels = np.asarray(open_images(tmp_path / "x.npz").read(2))
    np.testing.assert_array_equal(pixels, np.repeat(images[2, ..., :1], 3, axis=2))


def refused(tmp_path: Path, **arrays) -> str:
    path = tmp_path / "x.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError) as caught:
        open_images(path)
    assert "x.npz" in str(caught.value)
    return str(caught.value)


def test_refusals_say_what_was_expected(tmp_path: Path, images: NDArray[np.uint8]) -> None:
    assert "float64" in refused(tmp_path, images=images / 255, labels=LABELS)
    assert "(6, 3, 24, 20)" in refused(tmp_path, images=images.transpose(0, 3, 2, 1), labels=LABELS)
    assert "(5,)" in refused(tmp_path, images=images, labels=LABELS[:5])
    assert "float64" in refused(tmp_path, images=images, labels=LABELS / 1)
    assert "-2" in refused(tmp_path, images=images, labels=-LABELS)
    assert "0 to 1" in refused(tmp_path, images=images, labels=LABELS, classes=["ant", "bee"])
    assert "'labels'" in refused(tmp_path, images=images)
    assert "no images" in refused(tmp_path, images=images[:0], labels=LABELS[:0])
    assert "Object arrays" in refused(tmp_path, images=np.array([None, {}]), labels=LABELS)


@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 but no archive", b"\x93NUMPY\x01\x00 cut"])
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "labels.npy", LABELS)
    with pytest.raises(DataError, match=name):
        open_images(tmp_path / name)


def test_missing_files_are_named(tmp_path: Path, images: NDArray[np.uint8]) -> None:
    np.save(tmp_path / "x.npy", images)
    for path in ("x.npy", "y.npz", "y.npy", "nothing"):
        with pytest.raises(DataError, match=str(tmp_path)):
            open_images(tmp_path / path)
