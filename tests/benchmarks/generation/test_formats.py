"""Every format holds the same pixels, reads back, verifies and mends; what strangers put into a set leads nowhere."""

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stormbench.benchmarks import load_model, score
from stormbench.benchmarks.generation.generate import generate
from stormbench.benchmarks.generation.repair import repair_set, verify_set
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.datasets.on_disk.manifest import Entry, list_path, read_manifest
from stormbench.datasets.on_disk.provenance import SOURCE
from stormbench.datasets.on_disk.tar_reader import read_tarred_image
from stormbench.errors import BrokenImageError, DataError, InputError, SettingsChangedError

LOSSY = SUITES["imagenet64-c"].narrowed(["gaussian_noise", "contrast"], [2, 5])
LOSSLESS = SUITES["cifar-c"].narrowed(["gaussian_noise", "contrast"], [2, 5])
EVERY = [(suite, name) for suite in (LOSSY, LOSSLESS) for name in suite.formats]
LIMIT = 40


def files_in(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def plain() -> Model:
    return load_model("python:stormbench.benchmarks.demo.networks:plain")


@pytest.mark.parametrize(("suite", "name"), EVERY)
def test_every_format_scores_as_on_the_fly(plain: Model, tmp_path: Path, suite, name: str) -> None:
    generate("digits", tmp_path / "set", suite, limit=LIMIT, format=name)
    _, made = score(plain, "digits", suite, out=tmp_path / "a", limit=LIMIT)
    _, read = score(plain, "digits", suite, out=tmp_path / "b", limit=LIMIT, released=tmp_path / "set")
    assert read.cells == made.cells


@pytest.mark.parametrize(("suite", "name"), EVERY)
def test_what_is_wrong_is_found_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suite, name: str) -> None:
    """A flipped bit, a missing file, an extra one and a damaged list; the repair restores the exact bytes."""
    root = tmp_path / "set"
    for reader in ("layouts", "tar_writer"):
        monkeypatch.setattr(f"stormbench.datasets.on_disk.{reader}.IMAGES_A_TAR", 16)
    generate("digits", root, suite, limit=LIMIT, format=name)
    before = files_in(root)
    assert verify_set(root).sound
    pictures = sorted(path for path in before if path.endswith((".JPEG", ".png", ".npy", ".tar")))
    flipped, gone = pictures[0], pictures[-1]
    content = bytearray(before[flipped])
    content[len(content) // 2] ^= 1
    (root / flipped).write_bytes(content)
    (root / gone).unlink()
    (root / "contrast").mkdir(exist_ok=True)
    (root / "contrast/stranger").touch()
    found = verify_set(root)
    assert [entry.path for entry in found.changed] == [flipped]
    assert [entry.path for entry in found.missing] == [gone]
    assert found.extra == ["contrast/stranger"]
    assert repair_set(root, found) == 2
    (root / "contrast/stranger").unlink()
    assert files_in(root) == before
    damaged = next(path for path in before if path.endswith(".jsonl"))
    (root / damaged).write_bytes(before[damaged][:-1])
    found = verify_set(root)
    assert found.damaged_lists == [Path(damaged).stem]
    repair_set(root, found)
    assert files_in(root) == before


def test_generating_again_makes_what_is_missing(tmp_path: Path) -> None:
    generate("digits", tmp_path, LOSSY, limit=LIMIT)
    before = files_in(tmp_path)
    (tmp_path / "contrast/2/0/1297.JPEG").unlink()
    (tmp_path / "contrast/5/1/1298.JPEG").write_bytes(b"cut")
    generate("digits", tmp_path, LOSSY, limit=LIMIT)
    assert files_in(tmp_path) == before


def test_a_repair_from_other_images_is_refused(tmp_path: Path) -> None:
    generate("digits", tmp_path, LOSSY, limit=LIMIT)
    (tmp_path / "contrast/2/0/1297.JPEG").unlink()
    images = np.zeros((LIMIT, 32, 32, 3), np.uint8)
    np.savez(tmp_path.parent / "others.npz", images=images, labels=np.arange(LIMIT) % 10)
    with pytest.raises(DataError, match="1297"):
        repair_set(tmp_path, verify_set(tmp_path), source=str(tmp_path.parent / "others.npz"))


def test_a_sample_looks_at_some(tmp_path: Path) -> None:
    generate("digits", tmp_path, LOSSY, limit=LIMIT)
    (tmp_path / "stranger").touch()
    found = verify_set(tmp_path, sample=0.25, seed=0)
    assert 10 < found.checked < 80
    assert found.sound  # who looks at some does not look for extra files


def test_another_format_in_the_same_place_is_refused(tmp_path: Path) -> None:
    generate("digits", tmp_path, LOSSY, limit=4, format="png")
    with pytest.raises(SettingsChangedError, match='layout "png"'):
        generate("digits", tmp_path, LOSSY, limit=4)
    with pytest.raises(InputError, match="cifar-c cannot be written as 'folders'"):
        generate("digits", tmp_path / "x", LOSSLESS, limit=4, format="folders")
    with pytest.raises(InputError, match="gif"):
        generate("digits", tmp_path / "x", LOSSY, limit=4, format="gif")


# In a process of its own: the library leaves it to the garbage collector to close files, which is a warning here.
READ = """
import json, sys
import webdataset
samples = webdataset.WebDataset(sys.argv[1:], shardshuffle=False).decode("rgb8").to_tuple("jpg", "cls", "json")
print(json.dumps([(image.shape, label, about) for image, label, about in samples]))
"""


def test_webdataset_reads_its_tars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for reader in ("layouts", "tar_writer"):
        monkeypatch.setattr(f"stormbench.datasets.on_disk.{reader}.IMAGES_A_TAR", 16)
    generate("digits", tmp_path, LOSSY, limit=LIMIT, format="webdataset")
    shards = sorted(map(str, (tmp_path / "contrast/5").iterdir()))
    assert len(shards) == 3
    read = subprocess.run([sys.executable, "-c", READ, *shards], capture_output=True, text=True, check=True)
    samples = json.loads(read.stdout)
    assert [shape for shape, _, _ in samples] == [[64, 64, 3]] * LIMIT
    assert [label for _, label, _ in samples[:5]] == [0, 1, 2, 3, 4]
    assert samples[3][2] == {"key": "1300", "corruption": "contrast", "severity": 5}


# Strangers


def test_tars_of_strangers_are_read_and_never_unpacked(tmp_path: Path) -> None:
    png = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(png, "PNG")
    (tmp_path / "secret.png").write_bytes(png.getvalue())
    path = tmp_path / "inside/x.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w") as tar:
        for name, kind, target in (
            ("../evil.png", tarfile.REGTYPE, ""),
            ("link.png", tarfile.SYMTYPE, "../secret.png"),
            ("hard.png", tarfile.LNKTYPE, "/etc/passwd"),
            ("device.png", tarfile.CHRTYPE, ""),
            ("good.png", tarfile.REGTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            member.size = len(png.getvalue()) if kind == tarfile.REGTYPE else 0
            tar.addfile(member, io.BytesIO(png.getvalue()))
    for name in ("link.png", "hard.png", "device.png", "absent.png"):
        with pytest.raises(BrokenImageError, match="no such file"):
            read_tarred_image(path, name)
    assert read_tarred_image(path, "good.png").size == (32, 32)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(BrokenImageError, match=r"x\.tar"):
        read_tarred_image(path, "good.png")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inside", "secret.png", "x.tar"]


@pytest.mark.parametrize("path", ["../outside.JPEG", "/tmp/outside.JPEG", "a/../../outside.JPEG"])
def test_lists_of_strangers_do_not_lead_out(tmp_path: Path, path: str) -> None:
    root = tmp_path / "set"
    generate("digits", root, LOSSY, limit=4)
    manifest = read_manifest(root)
    assert manifest is not None
    name = next(iter(manifest.lists))
    content = f"{json.dumps(Entry(path, 1, '0' * 32))}\n".encode()
    list_path(root, name).write_bytes(content)
    from stormbench.datasets.images import digest_of

    manifest.model_copy(update={"lists": manifest.lists | {name: digest_of(content)}}).write(root)
    with pytest.raises(DataError, match="leads out of the set"):
        verify_set(root)
    with pytest.raises(DataError, match="leads out of the set"):
        generate("digits", root, LOSSY, limit=4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]


def test_links_in_a_set_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "set"
    generate("digits", root, LOSSY, limit=4)
    (root / "contrast/2/0").rename(tmp_path / "elsewhere")
    (root / "contrast/2/0").symlink_to(tmp_path / "elsewhere")
    found = verify_set(root)
    assert "contrast/2/0" in found.extra
    (tmp_path / "elsewhere/1297.JPEG").write_bytes(b"theirs")
    with pytest.raises(DataError, match="through a link"):
        repair_set(root, verify_set(root))
    assert (tmp_path / "elsewhere/1297.JPEG").read_bytes() == b"theirs"
    assert (root / SOURCE).is_file()
