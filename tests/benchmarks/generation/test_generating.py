"""Corrupted sets on disk: the published layouts, equal bytes however they came about, equal counts when read back."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from stormbench.benchmarks import load_model, score
from stormbench.benchmarks.generation.generate import generate
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.images import Result
from stormbench.benchmarks.suites.corruptions import CorruptionSuite
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.corruptions import corrupt
from stormbench.datasets import Geometry, open_images
from stormbench.datasets.on_disk.manifest import read_list, read_manifest
from stormbench.datasets.on_disk.provenance import SOURCE
from stormbench.datasets.on_the_fly import jpeg_round_trip
from stormbench.datasets.readers.folder import FolderImages
from stormbench.errors import BrokenImageError, DataError, SettingsChangedError, UnknownNameError
from stormbench.execution.journal import Journal
from stormbench.randomness import stream

FEW = ["gaussian_noise", "brightness"]
PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
SMALL_JPEG = CorruptionSuite("small-c", "", "cifar", Geometry(40, 32), 85, None)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five classes of small photographs, in every kind of file, some grey."""
    root = tmp_path_factory.mktemp("source") / "photos"
    photo = Image.fromarray(skimage.data.astronaut())
    for number, suffix in enumerate(("JPEG", "jpg", "png", "webp", "bmp", "tif", "ppm", "pgm") * 2):
        folder = root / f"class{number % 5}"
        folder.mkdir(parents=True, exist_ok=True)
        part = photo.crop((number * 20, number * 10, number * 20 + 70 + number, number * 10 + 60))
        (part.convert("L") if suffix == "pgm" else part).save(folder / f"{number:02}.{suffix}")
    return root


def files_in(root: Path) -> dict[str, str]:
    """All files by their digest, but for the note on where the images lay."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != SOURCE
    }


def counts(result: Result) -> list[tuple[str, int, int, int, int]]:
    return [(cell.corruption, cell.severity, cell.images, cell.wrong, cell.wrong_top5) for cell in result.cells]


# Layouts


def test_folders_are_those_of_imagenet_c(source: Path, tmp_path: Path) -> None:
    generate(source, tmp_path / "out", SMALL_JPEG, corruptions=FEW, severities=[1, 5])
    keys = open_images(source).keys
    expected = {f"{name}/{severity}/{key}" for name in FEW for severity in (1, 5) for key in keys}
    written = files_in(tmp_path / "out").keys()
    assert {path for path in written if not path.startswith("files/")} == expected | {"manifest.json"}


def test_jpeg_files_are_what_pillow_saves_at_quality_85(source: Path, tmp_path: Path) -> None:
    generate(source, tmp_path / "out", SMALL_JPEG, corruptions=["gaussian_noise"], severities=[3], seed=7)
    images = open_images(source)
    index = images.keys.index("class0/00.JPEG")
    rng = stream(7, "gaussian_noise", 3, "class0/00.JPEG")
    pixels = corrupt(Geometry(40, 32)(images.read(index)), "gaussian_noise", 3, scale="cifar", rng=rng)
    Image.fromarray(pixels).save(tmp_path / "x.JPEG", quality=85, optimize=True)
    assert (tmp_path / "out/gaussian_noise/3/class0/00.JPEG").read_bytes() == (tmp_path / "x.JPEG").read_bytes()


def test_other_kinds_of_files_store_what_the_codec_leaves(source: Path, tmp_path: Path) -> None:
    generate(source, tmp_path / "out", SMALL_JPEG, corruptions=["pixelate"], severities=[2])
    images = open_images(source)
    rng = np.random.default_rng()
    for index, key in enumerate(images.keys):
        path = tmp_path / "out/pixelate/2" / key
        expected = jpeg_round_trip(corrupt(Geometry(40, 32)(images.read(index)), "pixelate", 2, rng=rng), 85)
        with Image.open(path) as image:
            assert image.format == Image.registered_extensions()[path.suffix.lower()], key
            np.testing.assert_array_equal(np.asarray(image), expected, key)


def test_array_images_get_a_file_name(tmp_path: Path) -> None:
    generate("digits", tmp_path / "out", SMALL_JPEG, corruptions=["pixelate"], severities=[2], limit=3)
    written = sorted((tmp_path / "out/pixelate").rglob("*.JPEG"))
    assert [path.relative_to(tmp_path / "out").as_posix() for path in written] == [
        "pixelate/2/0/1297.JPEG",
        "pixelate/2/1/1298.JPEG",
        "pixelate/2/2/1299.JPEG",
    ]


def test_arrays_are_those_of_cifar_10_c(tmp_path: Path) -> None:
    manifest = generate("digits", tmp_path, "cifar-c", corruptions=FEW, limit=6)
    digits = open_images("digits")
    labels, noise = np.load(tmp_path / "labels.npy"), np.load(tmp_path / "gaussian_noise.npy")
    assert (noise.dtype, noise.shape, labels.dtype, labels.shape) == (np.uint8, (30, 32, 32, 3), np.uint8, (30,))
    assert labels.tolist() == digits.labels[:6].tolist() * 5
    row = 3 * 6 + 2  # severity 4, third image
    rng = stream(0, "gaussian_noise", 4, digits.keys[2])
    np.testing.assert_array_equal(noise[row], corrupt(np.asarray(digits.read(2)), "gaussian_noise", 4, rng=rng))
    assert {path.name for path in tmp_path.iterdir()} == {
        "gaussian_noise.npy",
        "brightness.npy",
        "labels.npy",
        "manifest.json",
        "files",
        SOURCE,
    }
    assert manifest == read_manifest(tmp_path)


def test_arrays_need_one_size(source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one size"):
        generate(source, tmp_path / "out", "cifar-c", corruptions=["brightness"])


@pytest.mark.parametrize(("suite", "checked"), [(SMALL_JPEG, 16 * 2 * 2), ("cifar-c", 3)])
def test_every_file_is_listed_with_its_size_and_digest(
    source: Path, tmp_path: Path, suite: str | CorruptionSuite, checked: int
) -> None:
    data = "digits" if suite == "cifar-c" else source
    manifest = generate(data, tmp_path / "out", suite, corruptions=FEW, severities=[1, 2], limit=16)
    entries = [entry for name in manifest.lists for entry in read_list(tmp_path / "out", name)]
    assert len(entries) == checked
    for entry in entries:
        content = (tmp_path / "out" / entry.path).read_bytes()
        assert (len(content), hashlib.blake2b(content, digest_size=16).hexdigest()) == (entry.size, entry.digest)


# The same bytes, however they came about


@pytest.mark.parametrize("suite", [SMALL_JPEG, SUITES["cifar-c"]], ids=["folders", "arrays"])
def test_bytes_do_not_depend_on_workers(source: Path, tmp_path: Path, suite: CorruptionSuite) -> None:
    data = source if suite is SMALL_JPEG else "digits"
    for workers in (0, 2, 3):
        out = tmp_path / str(workers)
        generate(data, out, suite, corruptions=FEW, severities=[1, 4], limit=70, workers=workers)
    assert files_in(tmp_path / "0") == files_in(tmp_path / "2") == files_in(tmp_path / "3")


def test_a_second_call_changes_nothing(source: Path, tmp_path: Path) -> None:
    first = generate(source, tmp_path / "out", SMALL_JPEG, corruptions=FEW, severities=[1])
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert generate(source, tmp_path / "out", SMALL_JPEG, corruptions=FEW, severities=[1]) == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == times


def test_a_second_call_reads_no_pixels(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = generate(source, tmp_path / "out", SMALL_JPEG, corruptions=FEW, severities=[1])
    for reading in ("read", "digest"):
        monkeypatch.setattr(FolderImages, reading, lambda *_: pytest.fail("an image was read"))
    assert generate(source, tmp_path / "out", SMALL_JPEG, corruptions=FEW, severities=[1]) == first


def test_cells_can_be_added(source: Path, tmp_path: Path) -> None:
    generate(source, tmp_path / "at-once", SMALL_JPEG, corruptions=FEW, severities=[1, 2])
    for corruption, severity in (("brightness", 2), ("gaussian_noise", 1), ("brightness", 1), ("gaussian_noise", 2)):
        generate(source, tmp_path / "bit-by-bit", SMALL_JPEG, corruptions=[corruption], severities=[severity])
    assert files_in(tmp_path / "at-once") == files_in(tmp_path / "bit-by-bit")
    generate("digits", tmp_path / "arrays", "cifar-c", corruptions=FEW, limit=4)
    for corruption in FEW:
        generate("digits", tmp_path / "one-by-one", "cifar-c", corruptions=[corruption], limit=4)
    assert files_in(tmp_path / "arrays") == files_in(tmp_path / "one-by-one")


@pytest.mark.parametrize("suite", [SMALL_JPEG, SUITES["cifar-c"]], ids=["folders", "arrays"])
def test_an_interrupted_run_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suite: CorruptionSuite) -> None:
    class StopError(Exception):
        pass

    def stop_after_two(journal: Journal, *arguments: object, record=Journal.record) -> None:
        record(journal, *arguments)
        if len(journal.finished()) == 2:
            raise StopError

    cells = {"corruptions": FEW, "severities": [1, 5], "limit": 100}
    generate("digits", tmp_path / "whole", suite, **cells)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "record", stop_after_two)
        with pytest.raises(StopError):
            generate("digits", tmp_path / "out", suite, **cells)
    seen: list[int] = []
    generate("digits", tmp_path / "out", suite, **cells, progress=lambda done, _: seen.append(done))
    assert 64 in seen
    assert 0 not in seen[len(seen) // 2 :]
    assert files_in(tmp_path / "out") == files_in(tmp_path / "whole")


KILLED = """
import sys
from stormbench.benchmarks.generation.generate import generate

if __name__ == "__main__":
    out, suite, limit = sys.argv[1:]
    generate("digits", out, suite, corruptions=["gaussian_noise", "glass_blur"], limit=int(limit), workers=2)
"""


@pytest.mark.parametrize(
    ("suite", "limit", "shards_before"),
    [
        ("cifar-c", 100, 1),
        pytest.param("cifar-c", 400, 7, marks=pytest.mark.slow),
        pytest.param("imagenet64-c", 100, 0, marks=pytest.mark.slow),
        pytest.param("imagenet64-c", 300, 6, marks=pytest.mark.slow),
    ],
)
def test_killed_runs_continue_to_the_same_bytes(tmp_path: Path, suite: str, limit: int, shards_before: int) -> None:
    """SIGKILL while files are being written; the same command then continues."""
    script = tmp_path / "run.py"
    script.write_text(KILLED)
    command = [sys.executable, script, tmp_path / "out", suite, str(limit)]
    process = subprocess.Popen(command, start_new_session=True)
    journal = tmp_path / "out/.unfinished"
    while not (journal.exists() and len(list(journal.glob("shard-*"))) >= shards_before) and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert journal.exists()
    subprocess.run(command, check=True)
    generate("digits", tmp_path / "whole", suite, corruptions=["gaussian_noise", "glass_blur"], limit=limit)
    assert files_in(tmp_path / "out") == files_in(tmp_path / "whole")


# What is refused


def test_other_settings_do_not_mix(source: Path, tmp_path: Path) -> None:
    generate(source, tmp_path / "out", SMALL_JPEG, corruptions=["brightness"], severities=[1])
    before = files_in(tmp_path / "out")
    for change in ({"seed": 1}, {"limit": 3}, {"suite": SMALL_JPEG.resized(48, None, None)}):
        arguments = {"suite": SMALL_JPEG, "corruptions": ["brightness"], "severities": [2]} | change
        with pytest.raises(SettingsChangedError, match=str(tmp_path)):
            generate(source, tmp_path / "out", **arguments)
    assert files_in(tmp_path / "out") == before


def test_nothing_of_others_is_overwritten(source: Path, tmp_path: Path) -> None:
    precious = tmp_path / "out/brightness/1/class0/00.JPEG"
    precious.parent.mkdir(parents=True)
    precious.write_text("precious")
    with pytest.raises(DataError, match="brightness/1 is there already"):
        generate(source, tmp_path / "out", SMALL_JPEG, corruptions=["brightness"])
    assert files_in(tmp_path / "out") == {"brightness/1/class0/00.JPEG": hashlib.sha256(b"precious").hexdigest()}


@pytest.mark.parametrize("place", ["", "out"])
def test_the_source_is_no_place_for_the_set(source: Path, place: str) -> None:
    before = files_in(source)
    with pytest.raises(DataError, match="write elsewhere"):
        generate(source, source / place, SMALL_JPEG)
    assert files_in(source) == before


def test_class_names_do_not_lead_out(tmp_path: Path) -> None:
    images = np.zeros((2, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "x.npz", images=images, labels=[0, 1], classes=["../../evil", "good"])
    with pytest.raises(DataError, match="out of its folder"):
        generate(tmp_path / "x.npz", tmp_path / "out", SMALL_JPEG)


def test_broken_images_stop_the_run_or_are_recorded(tmp_path: Path) -> None:
    for name in ("cat/a.png", "cat/b.png", "dog/c.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), "teal").save(tmp_path / "in" / name)
    (tmp_path / "in/cat/b.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 3 images cannot be decoded[\s\S]*cat/b\.png"):
        generate(tmp_path / "in", tmp_path / "out", SMALL_JPEG)
    manifest = generate(tmp_path / "in", tmp_path / "out", SMALL_JPEG, corruptions=["contrast"], skip_broken=True)
    assert (manifest.images, manifest.skipped) == (2, ["cat/b.png"])
    assert not list((tmp_path / "out").rglob("b.png"))


def test_unknown_corruptions_are_answered(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="fog"):
        generate("digits", tmp_path / "out", corruptions=["fogg"])


# Reading back


@pytest.fixture(scope="module")
def plain() -> Model:
    return load_model(PLAIN)


@pytest.mark.parametrize("suite", [SMALL_JPEG, SUITES["cifar-c"]], ids=["folders", "arrays"])
def test_scoring_what_was_written_equals_scoring_on_the_fly(
    plain: Model, tmp_path: Path, suite: CorruptionSuite
) -> None:
    cells = suite.narrowed(["gaussian_noise", "jpeg_compression"], [1, 5])
    generate("digits", tmp_path / "set", cells, limit=60, workers=2)
    _, there = score(plain, "digits", cells, out=tmp_path, limit=60)
    path, back = score(plain, "digits", cells, out=tmp_path, limit=60, released=tmp_path / "set")
    assert counts(back) == counts(there)
    assert back.data.released is not None
    assert "released" in path.name
    _, fewer = score(plain, "digits", cells, out=tmp_path / "fewer", limit=25, released=tmp_path / "set", workers=2)
    _, expected = score(plain, "digits", cells, out=tmp_path / "expected", limit=25)
    assert counts(fewer) == counts(expected)


def test_trees_of_every_kind_of_file_read_back(source: Path, plain: Model, tmp_path: Path) -> None:
    """Classes are five, the demo's network knows ten: read through the images, not through a model."""
    from stormbench.datasets.on_disk.image_reader import open_released
    from stormbench.datasets.on_the_fly import OnTheFly

    cells = [("gaussian_noise", 2), ("contrast", 4)]
    generate(source, tmp_path / "set", SMALL_JPEG, corruptions=["gaussian_noise", "contrast"], severities=[2, 4])
    images = open_images(source)
    released, _ = open_released(tmp_path / "set", images, SMALL_JPEG.geometry, cells)
    made = OnTheFly(SMALL_JPEG.geometry, "cifar", 85, 0)
    for index, key in enumerate(images.keys):
        clean = made.clean(images.read(index))
        np.testing.assert_array_equal(released.clean(images.read(index)), clean)
        for cell in cells:
            expected = made.corrupted(clean, *cell, key)
            np.testing.assert_array_equal(released.corrupted(clean, *cell, key), expected, f"{cell} {key}")


def test_published_arrays_without_a_manifest(plain: Model, tmp_path: Path) -> None:
    suite = SUITES["cifar-c"].narrowed(["brightness", "contrast"], None)
    data = open_images("digits").subset(range(20))
    np.savez(tmp_path / "x.npz", images=np.stack([np.asarray(data.read(i)) for i in range(20)]), labels=data.labels)
    generate(tmp_path / "x.npz", tmp_path / "set", suite)
    (tmp_path / "set/manifest.json").unlink()
    _, back = score(plain, tmp_path / "x.npz", suite, out=tmp_path / "a", released=tmp_path / "set")
    _, there = score(plain, tmp_path / "x.npz", suite, out=tmp_path / "b")
    assert counts(back) == counts(there)


def test_a_set_of_other_images_or_another_suite_is_refused(
    plain: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = SMALL_JPEG.narrowed(["brightness"], [1])
    generate("digits", tmp_path / "set", suite, limit=10)
    released = {"out": tmp_path, "limit": 10, "released": tmp_path / "set"}
    with pytest.raises(DataError, match=r"lacks brightness/1/0/0\.JPEG"):
        score(plain, "digits:train", suite, **released)
    monkeypatch.setattr("stormbench.datasets.readers.digits.Digits.open", lambda _: np.zeros((1797, 32, 32), np.uint8))
    with pytest.raises(DataError, match="fingerprint"):
        score(plain, "digits", suite, **released)
    monkeypatch.undo()
    with pytest.raises(DataError, match="geometry"):
        score(plain, "digits", suite.resized(32, None, None), **released)
    with pytest.raises(DataError, match=r"lacks brightness/2, brightness/3, .*or generate them"):
        score(plain, "digits", SMALL_JPEG.narrowed(["brightness"], None), **released)
    with pytest.raises(DataError, match="lacks"):
        score(plain, "digits", suite, **(released | {"released": tmp_path / "nowhere"}))


def test_missing_and_foreign_files_are_named(plain: Model, tmp_path: Path) -> None:
    suite = SMALL_JPEG.narrowed(["brightness"], [1])
    generate("digits", tmp_path / "set", suite, limit=10)
    file = tmp_path / "set/brightness/1/2/1299.JPEG"
    Image.new("RGB", (99, 32)).save(file)
    with pytest.raises(DataError, match=r"1299\.JPEG holds \(32, 99, 3\)"):
        score(plain, "digits", suite, out=tmp_path, limit=10, released=tmp_path / "set")
    file.write_bytes(b"")
    with pytest.raises(BrokenImageError, match=r"1299\.JPEG cannot be decoded"):
        score(plain, "digits", suite, out=tmp_path, limit=10, released=tmp_path / "set")
    file.unlink()
    with pytest.raises(DataError, match=r"lacks brightness/1/2/1299\.JPEG;"):
        score(plain, "digits", suite, out=tmp_path, limit=10, released=tmp_path / "set")
