"""Pipes, devices, sockets, sparse files and absurd headers, given to every reader: a sentence, at once."""

import io
import os
import pickle
import re
import resource
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from stormbench.cards import read_safetensors
from stormbench.corruptions.perturbations.video import decode
from stormbench.datasets import open_images
from stormbench.errors import ModelError, StormbenchError
from stormbench.states import read_state, write_state
from stormbench.weights import read_content

Reader = Callable[[Path], Any]
GIGABYTE = 2**30


@contextmanager
def little_memory() -> Iterator[None]:
    """Allows a gigabyte more than this process has."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + GIGABYTE, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def socket(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o600)


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 10 * GIGABYTE)


def folder(path: Path) -> None:
    path.mkdir()


KINDS = (pipe, device, socket, sparse, folder)


def image(path: Path) -> Any:
    return open_images(path.parents[1]).read(0)


def image_digest(path: Path) -> Any:
    return open_images(path.parents[1]).digest(0)


def labels_beside(path: Path) -> Any:
    np.save(path.with_name("images.npy"), np.zeros((2, 8, 8, 3), np.uint8))
    return open_images(path.with_name("images.npy"))


def cifar(path: Path) -> Any:
    path.with_name("batches.meta").write_bytes(pickle.dumps({"label_names": ["a"]}))
    return open_images(f"cifar:{path.parent}")


def film(path: Path) -> Any:
    pytest.importorskip("av")
    return decode(path, frames=3)


def trained(path: Path) -> Any:
    return read_safetensors(path, "checkpoint")


def begun(path: Path) -> Any:
    return read_state(path, {}, "cpu")


READERS: dict[str, Reader] = {
    "class/one.png": image,
    "class/two.png": image_digest,
    "images.npy": lambda path: open_images(path).read(0),
    "labels.npy": labels_beside,
    "images.npz": lambda path: open_images(path),
    "test_batch": cifar,
    "film.mp4": film,
    "net.pth": read_content,
    "net.safetensors": read_content,
    "model.safetensors": trained,
    "state.pt": begun,
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", READERS)
def test_special_files(tmp_path: Path, name: str, kind: Callable[[Path], None]) -> None:
    path = tmp_path / "here" / name
    path.parent.mkdir(parents=True)
    kind(path)
    with little_memory(), pytest.raises(StormbenchError) as refused:
        READERS[name](path)
    assert "\n" not in str(refused.value)


def header(shape: object, dtype: str = "|u1", content: bytes = b"") -> bytes:
    """An ``.npy`` file that claims anything."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


ABSURD = {
    "negative": header((-1, 8, 8, 3), content=bytes(192)),
    "negative twice": header((-2, -8, 8, 3), content=bytes(384)),
    "no axis": header((), content=b"\x00"),
    "no pixels": header((2, 0, 8, 3)),
    "no images": header((0, 8, 8, 3)),
    "more than there is": header((10**9, 32, 32, 3), content=bytes(3072)),
    "more than fits": header((2**62, 2**62, 8, 3), content=bytes(192)),
    "objects": header((2, 8, 8, 3), "|O", content=bytes(3072)),
    "floats": header((2, 8, 8, 3), "<f4", content=bytes(1536)),
    "no numbers": header((2, 8, 8, 3), "|V0"),
    "words": header("'many'", content=bytes(192)),
    "cut": header((2, 8, 8, 3))[:40],
    "empty": b"",
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("packed", [False, True], ids=["npy", "npz"])
@pytest.mark.parametrize("name", ABSURD)
def test_absurd_headers(tmp_path: Path, name: str, packed: bool) -> None:
    path = tmp_path / ("images.npz" if packed else "images.npy")
    labels = io.BytesIO()
    np.save(labels, np.zeros(2, np.uint8))
    if packed:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", ABSURD[name])
            archive.writestr("labels.npy", labels.getvalue())
    else:
        path.write_bytes(ABSURD[name])
        path.with_name("labels.npy").write_bytes(labels.getvalue())
    with little_memory(), pytest.raises(StormbenchError) as refused:
        open_images(path).read(0)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 10**9]),
        np.array([0, 2**62]),
        np.array([0, 2**64 - 1], dtype=np.uint64),
        np.array([0, -1]),
        np.array(3),
        np.array([0.0, 1.0]),
        np.array(["a", "b"]),
    ],
    ids=str,
)
def test_absurd_labels(tmp_path: Path, labels: Any) -> None:
    np.save(tmp_path / "images.npy", np.zeros((2, 8, 8, 3), np.uint8))
    np.save(tmp_path / "labels.npy", labels)
    with little_memory(), pytest.raises(StormbenchError, match=r"label|whole numbers"):
        open_images(tmp_path / "images.npy")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x02", bytes(257) + b"ustar"], ids=["zip", "pickle", "tar"])
@pytest.mark.parametrize("name", ["net.pth", "state.pt"])
def test_ten_gigabytes_that_begin_like_weights(tmp_path: Path, name: str, start: bytes) -> None:
    (tmp_path / name).write_bytes(start)
    os.truncate(tmp_path / name, 10 * GIGABYTE)
    with little_memory(), pytest.raises(ModelError, match=re.escape(name)):
        READERS[name](tmp_path / name)


def test_weights_that_unpack_to_a_thousand_times_their_size(tmp_path: Path) -> None:
    """As much as a malicious file asks for: 4 MB here, and as easily 100 GB."""
    plain = tmp_path / "plain.pth"
    write_state(plain, {"weight": torch.zeros(2**20)})
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(tmp_path / "net.pth", "w", zipfile.ZIP_DEFLATED) as target:
        for each in source.infolist():
            target.writestr(each.filename, source.read(each))
    assert torch.equal(read_content(plain)["weight"], torch.zeros(2**20))
    with pytest.raises(ModelError, match=r"net\.pth would unpack to \d+ bytes, over 20 times its own size"):
        read_content(tmp_path / "net.pth")


@pytest.mark.parametrize("content", [{"data": 3}, {"labels": 3, "data": 3}, {"labels": ["x"]}, {"labels": [2**70]}, []])
def test_absurd_cifar_files(tmp_path: Path, content: object) -> None:
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": ["a"]}))
    (tmp_path / "test_batch").write_bytes(pickle.dumps(content))
    with pytest.raises(StormbenchError, match="test_batch"):
        open_images(tmp_path)


@pytest.mark.parametrize("names", [3, None, {"a": 1}])
def test_absurd_class_names(tmp_path: Path, names: object) -> None:
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    (tmp_path / "test_batch").write_bytes(pickle.dumps({"labels": [0]}))
    with pytest.raises(StormbenchError, match=r"batches\.meta"):
        open_images(tmp_path)


def photo_folder(root: Path, name: str, content: bytes) -> Any:
    (root / "class").mkdir()
    (root / "class" / name).write_bytes(content)
    return open_images(root)


def test_a_line_of_eighty_million_pixels_is_not_decoded(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("L", (80_000_000, 1)).save(buffer, "PNG")
    images = photo_folder(tmp_path, "line.png", buffer.getvalue())
    with little_memory(), pytest.raises(StormbenchError, match="80000000 x 1 pixels; a side is at most"):
        images.read(0)


def test_eps_never_starts_ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JPEG by name, EPS by content: Pillow would hand it to `gs`, which is a program in a language of its own."""
    (tmp_path / "bin").mkdir()
    stub = tmp_path / "bin" / "gs"
    stub.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}:{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"
    with pytest.raises(OSError):  # the stub does run where EPS is asked for
        Image.open(io.BytesIO(eps)).load()
    assert (tmp_path / "ran").exists()
    (tmp_path / "ran").unlink()
    (tmp_path / "photos").mkdir()
    images = photo_folder(tmp_path / "photos", "photo.jpg", eps)
    with pytest.raises(StormbenchError, match="no image of a known format"):
        images.read(0)
    assert not (tmp_path / "ran").exists()
