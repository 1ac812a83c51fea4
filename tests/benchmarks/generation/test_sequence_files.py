from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stormbench.benchmarks import load_model
from stormbench.benchmarks.evaluation.evaluate import evaluate
from stormbench.benchmarks.generation.generate import generate
from stormbench.benchmarks.generation.repair import repair_set, verify_set
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.corruptions.perturbations.video import decode
from stormbench.datasets import open_images
from stormbench.errors import DataError, SettingsChangedError

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
CIFAR = SUITES["cifar10-p"].narrowed(["shot_noise", "motion_blur", "tilt"], [1, 2])
SMALL_FILMS = SUITES["imagenet64-p"].narrowed(["gaussian_noise", "translate"], [1])


@pytest.fixture(scope="module")
def plain() -> Model:
    return load_model(PLAIN)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small class-per-folder set of digits, enlarged."""
    digits = open_images("digits")
    for index in range(12):
        path = tmp_path / "source" / digits.classes[digits.labels[index]] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        digits.read(index).resize((64, 64), Image.Resampling.BILINEAR).save(path)
    return tmp_path / "source"


def files(root: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name != ".source.json"]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def top(path: Path) -> np.ndarray:
    with np.load(path.with_suffix(".npz")) as arrays:
        return arrays["top"]


def test_arrays_score_as_on_the_fly(plain: Model, tmp_path: Path) -> None:
    manifest = generate("digits", tmp_path / "set", CIFAR, limit=6, seed=3)
    assert (manifest.images, len(manifest.cells)) == (6, 4)
    assert {path.name for path in (tmp_path / "set").iterdir() if path.is_file()} == {
        "shot_noise.npy",
        "shot_noise_2.npy",
        "motion_blur.npy",
        "tilt.npy",
        "labels.npy",
        "manifest.json",
        ".source.json",
    }
    assert np.load(tmp_path / "set/motion_blur.npy", mmap_mode="r").shape == (6, 21, 32, 32, 3)
    fly, _ = evaluate(plain, "digits", CIFAR, out=tmp_path / "fly", limit=6, seed=3)
    read, result = evaluate(plain, "digits", CIFAR, out=tmp_path / "read", limit=6, released=tmp_path / "set")
    np.testing.assert_array_equal(top(fly), top(read))
    assert result.data.released is not None
    assert result.data.released.startswith("set ")


def test_a_part_of_a_set_is_found_by_its_keys(plain: Model, tmp_path: Path) -> None:
    generate("digits", tmp_path / "set", CIFAR, limit=6)
    part = open_images("digits").subset([5, 2])
    fly, _ = evaluate(plain, part, CIFAR, out=tmp_path / "fly")
    read, _ = evaluate(plain, part, CIFAR, out=tmp_path / "read", released=tmp_path / "set")
    np.testing.assert_array_equal(top(fly), top(read))


def test_published_arrays_have_no_list_of_keys(plain: Model, tmp_path: Path) -> None:
    """Rows are the images' own numbers then, as in CIFAR-10-P."""
    digits = open_images("digits")
    pixels = np.stack([np.asarray(digits.read(index)) for index in range(4)])
    np.savez(tmp_path / "few.npz", images=pixels, labels=digits.labels[:4])
    first = open_images(tmp_path / "few.npz")
    generate(first, tmp_path / "set", CIFAR)
    (tmp_path / "set/manifest.json").unlink()
    fly, _ = evaluate(plain, first, CIFAR, out=tmp_path / "fly")
    read, _ = evaluate(plain, first, CIFAR, out=tmp_path / "read", released=tmp_path / "set")
    np.testing.assert_array_equal(top(fly), top(read))


def test_bytes_do_not_depend_on_workers_or_interruptions(tmp_path: Path) -> None:
    generate("digits", tmp_path / "0", CIFAR, limit=20)
    generate("digits", tmp_path / "2", CIFAR, limit=20, workers=2)

    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if 0 < done < total:
            raise StopError

    with pytest.raises(StopError):
        generate("digits", tmp_path / "stopped", CIFAR, limit=20, progress=stop)
    with pytest.raises(SettingsChangedError, match="seed"):
        generate("digits", tmp_path / "stopped", CIFAR, limit=20, seed=1)
    generate("digits", tmp_path / "stopped", CIFAR, limit=20)
    assert files(tmp_path / "0") == files(tmp_path / "2") == files(tmp_path / "stopped")


def test_films_lie_in_the_official_layout(tree: Path, tmp_path: Path) -> None:
    for workers in (0, 2):
        generate(tree, tmp_path / str(workers), SMALL_FILMS, limit=4, workers=workers)
    first = sorted(files(tmp_path / "0"))
    films = [name for name in first if name.endswith(".mp4")]
    assert set(first) - set(films) == {"manifest.json", "files/gaussian_noise-1.jsonl", "files/translate-1.jsonl"}
    assert (len(films), films[0]) == (8, "gaussian_noise/0/0.mp4")
    assert decode(tmp_path / "0" / films[0], frames=31).shape == (31, 64, 64, 3)
    assert files(tmp_path / "0") == files(tmp_path / "2")


def test_films_can_be_scored_and_arrays_are_exact(plain: Model, tree: Path, tmp_path: Path) -> None:
    generate(tree, tmp_path / "films", SMALL_FILMS, limit=3)
    generate(tree, tmp_path / "arrays", SMALL_FILMS, limit=3, format="npy")
    fly, films, arrays = (
        top(evaluate(plain, tree, SMALL_FILMS, out=tmp_path / str(i), limit=3, released=released).path)
        for i, released in enumerate((None, tmp_path / "films", tmp_path / "arrays"))
    )
    np.testing.assert_array_equal(fly, arrays)
    assert films.shape == fly.shape


@pytest.mark.parametrize("cut", [0, 200, -500])
def test_broken_films_are_named(plain: Model, tree: Path, tmp_path: Path, cut: int) -> None:
    generate(tree, tmp_path / "films", SMALL_FILMS, limit=2)
    broken = sorted((tmp_path / "films").rglob("*.mp4"))[-1]
    broken.write_bytes(broken.read_bytes()[:cut])
    with pytest.raises(DataError, match=str(broken.relative_to(tmp_path))):
        evaluate(plain, tree, SMALL_FILMS, out=tmp_path / "out", limit=2, released=tmp_path / "films")


def test_films_of_another_length_or_size_are_named(plain: Model, tree: Path, tmp_path: Path) -> None:
    generate(tree, tmp_path / "films", SMALL_FILMS.narrowed(["gaussian_noise"], None), limit=2)
    suite = SUITES["imagenet-p"].narrowed(["gaussian_noise"], None)
    with pytest.raises(DataError, match="scale imagenet64, this run has imagenet"):
        evaluate(plain, tree, suite, out=tmp_path / "out", limit=2, released=tmp_path / "films")
    (tmp_path / "films/manifest.json").unlink()
    with pytest.raises(DataError, match=r"0\.mp4 have shape \(64, 64, 3\), wanted \(224, 224, 3\)"):
        evaluate(plain, tree, suite, out=tmp_path / "out", limit=2, released=tmp_path / "films")
    (tmp_path / "films/gaussian_noise").rename(tmp_path / "films/translate")
    wide = SUITES["imagenet-p"].narrowed(["translate"], None)
    with pytest.raises(DataError, match="31 frames, wanted 41"):
        evaluate(plain, tree, wide, out=tmp_path / "out2", limit=2, released=tmp_path / "films")


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:50]), r"tilt\.npy"),
        (lambda path: path.write_bytes(b""), r"tilt\.npy"),
        (lambda path: np.save(path, np.zeros((4, 30, 32, 32, 3), np.uint8)), r"tilt\.npy has changed"),
        (lambda path: np.save(path, np.zeros((2, 31, 32, 32, 3), np.uint8)), r"4 labels, tilt\.npy 2 rows"),
        (lambda path: np.save(path, np.zeros((4, 31, 32, 32, 3))), r"tilt\.npy"),
        (lambda path: np.save(path, np.zeros((4, 31, 16, 16, 3), np.uint8)), r"tilt\.npy has changed"),
        (lambda path: path.unlink(), r"lack tilt\.npy"),
    ],
)
def test_broken_arrays_are_named(plain: Model, tmp_path: Path, damage: object, complaint: str) -> None:
    generate("digits", tmp_path / "set", CIFAR, limit=4)
    damage(tmp_path / "set/tilt.npy")
    with pytest.raises(DataError, match=complaint):
        evaluate(plain, "digits", CIFAR, out=tmp_path / "out", limit=4, released=tmp_path / "set")


def test_a_set_of_other_images_is_refused(plain: Model, tmp_path: Path) -> None:
    generate("digits", tmp_path / "set", CIFAR, limit=3)
    digits = open_images("digits")
    with pytest.raises(DataError, match="lacks 1 of the 3 images"):
        evaluate(plain, digits.subset([0, 1, 5]), CIFAR, out=tmp_path / "out", released=tmp_path / "set")
    np.savez(tmp_path / "other.npz", images=np.zeros((3, 32, 32, 3), np.uint8), labels=digits.labels[:3])
    others = open_images(tmp_path / "other.npz")
    generate(others, tmp_path / "others", CIFAR)
    np.savez(tmp_path / "other.npz", images=np.ones((3, 32, 32, 3), np.uint8), labels=digits.labels[:3])
    others = open_images(tmp_path / "other.npz")
    with pytest.raises(DataError, match="fingerprint"):
        evaluate(plain, others, CIFAR, out=tmp_path / "out", released=tmp_path / "others")
    (tmp_path / "set/manifest.json").write_text("{")
    with pytest.raises(DataError, match=r"manifest\.json is not a manifest"):
        evaluate(plain, "digits", CIFAR, out=tmp_path / "out", limit=3, released=tmp_path / "set")


def test_nothing_is_overwritten(tree: Path, tmp_path: Path) -> None:
    generate("digits", tmp_path / "set", CIFAR, limit=2)
    with pytest.raises(SettingsChangedError, match="seed"):
        generate("digits", tmp_path / "set", CIFAR, limit=2, seed=1)
    (tmp_path / "set/manifest.json").unlink()
    with pytest.raises(DataError, match="is there already"):
        generate("digits", tmp_path / "set", CIFAR, limit=2)
    with pytest.raises(DataError, match="is in the source"):
        generate(tree, tree / "out", SMALL_FILMS)


@pytest.mark.parametrize("form", ["mp4", "npy"])
def test_a_set_is_verified_mended_and_grows(tree: Path, tmp_path: Path, form: str) -> None:
    levels = SUITES["imagenet64-p"].narrowed(["gaussian_noise", "tilt"], [1, 2])
    generate(tree, tmp_path / "whole", levels, limit=3, format=form)
    out = tmp_path / "set"
    generate(tree, out, levels, corruptions=["gaussian_noise"], severities=[2], limit=3, format=form)
    manifest = generate(tree, out, levels, limit=3, format=form)
    assert manifest.cells == [("gaussian_noise", 1), ("gaussian_noise", 2), ("tilt", 1)]
    before = files(out)
    assert before == files(tmp_path / "whole")
    first, *_, last = [out / name for name in before if name.endswith(f".{form}") and "labels" not in name]
    first.write_bytes(first.read_bytes()[:-1] + bytes([first.read_bytes()[-1] ^ 1]))
    last.unlink()
    (out / "stray.txt").touch()
    found = verify_set(out)
    assert [out / entry.path for entry in found.changed] == [first]
    assert [out / entry.path for entry in found.missing] == [last]
    assert found.extra == ["stray.txt"]
    (out / "stray.txt").unlink()
    repair_set(out, found)
    assert files(out) == before
    assert verify_set(out).sound
