"""CIFAR's pickles as Python 2 wrote them, read without running code."""

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stormbench.datasets import match_classes, open_images
from stormbench.datasets.readers.cifar import read_plain_pickle
from stormbench.errors import DataError

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def python2_text(text: str) -> bytes:
    return b"U" + bytes([len(text)]) + text.encode("latin1")


def python2_array(array: NDArray[np.uint8]) -> bytes:
    """A uint8 matrix as Python 2 and numpy 1 pickled it in protocol 2 (the archives of 2009 are such files)."""
    rows, columns = array.shape
    dtype = b"cnumpy\ndtype\n" + python2_text("u1") + b"K\x00K\x01\x87R(K\x03" + python2_text("|") + b"NNN"
    dtype += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"M" + struct.pack("<H", rows) + b"M" + struct.pack("<H", columns) + b"\x86"
    content = b"T" + struct.pack("<I", array.size) + array.tobytes()
    start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + python2_text("b") + b"\x87R"
    return start + b"(K\x01" + shape + dtype + b"\x89" + content + b"tb"


def python2_batch(planes: NDArray[np.uint8], labels: list[int], labels_name: str) -> bytes:
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + python2_text("data") + python2_array(planes) + python2_text(labels_name) + numbers + b"u."


@pytest.fixture
def planes() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (7, 3072), dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path, planes: NDArray[np.uint8]) -> Path:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    labels = [3, 8, 8, 0, 6, 6, 1]
    (folder / "test_batch").write_bytes(python2_batch(planes, labels, "labels"))
    for number in range(1, 6):
        (folder / f"data_batch_{number}").write_bytes(python2_batch(planes[:number], labels[:number], "labels"))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": NAMES}, protocol=2))
    return tmp_path


def test_cifar10(root: Path, planes: NDArray[np.uint8]) -> None:
    images = open_images(root)
    assert (images.name, len(images)) == ("cifar10-test", 7)
    assert images.classes == tuple(NAMES)
    assert images.labels.tolist() == [3, 8, 8, 0, 6, 6, 1]
    assert match_classes(images, 10).tolist() == [3, 8, 8, 0, 6, 6, 1]
    red_then_green_then_blue = planes[2].reshape(3, 32, 32)
    np.testing.assert_array_equal(np.asarray(images.read(2)), np.moveaxis(red_then_green_then_blue, 0, 2))
    assert open_images(root / "cifar-10-batches-py").keys == images.keys


def test_training_part(root: Path) -> None:
    images = open_images(f"cifar-train:{root}")
    assert (images.name, len(images)) == ("cifar10-train", 15)


def test_agrees_with_torchvision(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stormbench.torchvision_guard import import_torchvision

    reader = import_torchvision().datasets.CIFAR10
    monkeypatch.setattr(reader, "_check_integrity", lambda _: True)
    monkeypatch.setitem(reader.meta, "md5", None)
    theirs = reader(root, train=False)
    ours = open_images(root)
    np.testing.assert_array_equal(np.stack([np.asarray(ours.read(i)) for i in range(len(ours))]), theirs.data)
    assert ours.labels.tolist() == theirs.targets
    assert list(ours.classes) == theirs.classes


@pytest.mark.parametrize("protocol", range(2, 6))
def test_cifar100_as_python3_writes_it(tmp_path: Path, planes: NDArray[np.uint8], protocol: int) -> None:
    names = [f"class{number:02}" for number in range(100)]
    for file, content in {
        "test": {"data": planes, "fine_labels": [99, 0, 1, 2, 3, 4, 5], "coarse_labels": [0] * 7},
        "train": {"data": planes[:1], "fine_labels": [1]},
        "meta": {"fine_label_names": names},
    }.items():
        (tmp_path / file).write_bytes(pickle.dumps(content, protocol=protocol))
    images = open_images(tmp_path)
    assert (images.name, len(images.classes)) == ("cifar100-test", 100)
    assert images.labels.tolist() == [99, 0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(np.asarray(images.read(0))[..., 1].ravel(), planes[0, 1024:2048])


class Evil:
    def __reduce__(self):
        return os.mkdir, ("/tmp/stormbench-was-here",)


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps({"data": Evil()}),
        pickle.dumps(np.array([Evil()], dtype=object)),
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x04\x95",
        b"",
    ],
)
def test_code_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "test_batch"
    path.write_bytes(content)
    with pytest.raises(DataError, match="test_batch is not a pickle of plain arrays"):
        read_plain_pickle(path)
    assert not Path("/tmp/stormbench-was-here").exists()


def test_both_sets_are_ambiguous(root: Path) -> None:
    (root / "cifar-100-python").mkdir()
    for file in ("test", "meta"):
        (root / "cifar-100-python" / file).write_bytes(b"")
    with pytest.raises(DataError, match="both"):
        open_images(root)
    assert open_images(root / "cifar-10-batches-py").name == "cifar10-test"


def test_a_damaged_batch_is_named(root: Path) -> None:
    path = root / "cifar-10-batches-py/test_batch"
    path.write_bytes(pickle.dumps({"data": np.zeros((2, 5), np.uint8), "labels": [1, 2]}))
    with pytest.raises(DataError, match=r"test_batch.*\(2, 5\)"):
        open_images(root)
    path.write_bytes(pickle.dumps(["data"]))
    with pytest.raises(DataError, match="no entry 'labels'"):
        open_images(root)
