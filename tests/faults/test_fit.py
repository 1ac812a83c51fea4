"""Images of another size than the suite's, names that no manifest can hold, and runs that are there already."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stormbench.benchmarks.evaluation.attack import attack
from stormbench.benchmarks.evaluation.evaluate import evaluate, load_or_run
from stormbench.benchmarks.evaluation.verify import verify
from stormbench.benchmarks.generation.generate import generate
from stormbench.benchmarks.results.settings import Settings
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.benchmarks.training.conditional import train_conditional
from stormbench.datasets import Geometry, open_images
from stormbench.defenses.oat.recipe import Recipe
from stormbench.defenses.oat.spec import NetworkSpec
from stormbench.errors import BrokenImageError, DataError, InputError, SettingsChangedError

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"


@pytest.mark.parametrize(
    ("suite", "expected"),
    [
        (SUITES["imagenet-c"], "would enlarge them to 256; the suite for that size is cifar-c"),
        (SUITES["imagenet-c-299"], "would enlarge them to 299; the suite for that size is cifar-c"),
        (SUITES["imagenet-p"], "would enlarge them to 256; the suite for that size is cifar"),
        (SUITES["cifar-c"].resized(None, 224, None), "a crop of 224 pads them with black"),
        (SUITES["imagenet64-c"].resized(None, 224, None), "a crop of 224 pads them with black"),
    ],
    ids=str,
)
def test_small_images_are_not_blown_up(tmp_path: Path, suite: object, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        generate("digits", tmp_path / "set", suite, limit=3)
    with pytest.raises(InputError, match=expected):
        evaluate(PLAIN, "digits", suite, out=tmp_path / "out", limit=3)
    assert not list(tmp_path.iterdir())


def test_other_sizes_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros((2, 100, 120, 3), np.uint8), labels=[0, 1])
    with caplog.at_level(logging.WARNING):
        generate("digits", tmp_path / "a", SUITES["imagenet64-c"].narrowed(["contrast"], [1]), limit=2)
        generate(tmp_path / "x.npz", tmp_path / "b", SUITES["cifar-c"].narrowed(["contrast"], [1]))
    assert "32 pixels on the short side, imagenet64-c enlarges them to 64; the suite for that size is cifar-c" in (
        caplog.text
    )
    assert "100 pixels on the short side, the severities of cifar-c are for 32" in caplog.text


@pytest.mark.parametrize("shape", [(20_000, 2), (2, 20_000)])
def test_a_resize_that_would_take_gigabytes(shape: tuple[int, int]) -> None:
    with pytest.raises(BrokenImageError, match="would have"):
        Geometry(256, 224)(Image.new("RGB", shape))


def named_in_bytes(root: Path) -> Path:
    for number in range(2):
        path = root / f"class{number}" / os.fsdecode(b"not-utf8-\xff.png")
        path.parent.mkdir(parents=True)
        Image.new("RGB", (64, 64)).save(path)
    return root


@pytest.mark.parametrize("layout", ["webdataset", "npy"])
def test_names_that_no_manifest_can_hold(tmp_path: Path, layout: str) -> None:
    suite = SUITES["imagenet64-c"].narrowed(["contrast"], [1])
    with pytest.raises(DataError, match="is not UTF-8"):
        generate(named_in_bytes(tmp_path / "photos"), tmp_path / "set", suite, format=layout)
    assert not (tmp_path / "set").exists()


def test_a_broken_image_whose_name_no_manifest_can_hold(tmp_path: Path) -> None:
    root = named_in_bytes(tmp_path / "photos")
    Image.new("RGB", (64, 64)).save(root / "class0/whole.png")
    (root / "class0" / os.fsdecode(b"not-utf8-\xff.png")).write_bytes(b"")
    with pytest.raises(DataError, match="is not UTF-8"):
        generate(root, tmp_path / "set", SUITES["imagenet64-c"].narrowed(["contrast"], [1]), skip_broken=True)
    assert not (tmp_path / "set").exists()


def test_a_refused_attack_leaves_the_finished_one_as_it_was(tmp_path: Path) -> None:
    how = {"out": tmp_path, "eps": 8 / 255, "budget": "quick", "limit": 4, "name": "x"}
    attack(PLAIN, "digits", "cifar-c", **how)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SettingsChangedError, match="seed"):
        attack(PLAIN, "digits", "cifar-c", seed=1, **how)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    attack(PLAIN, "digits", "cifar-c", **how)


def test_an_attack_named_as_a_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names its files"):
        attack(PLAIN, "digits", "cifar-c", out=tmp_path / "out", eps=0.1, budget="quick", limit=2, name="../../x")


def test_verify_gives_the_caller_its_threads_back(tmp_path: Path) -> None:
    path = evaluate(PLAIN, "digits", SUITES["cifar-c"].narrowed(["brightness"], [1]), out=tmp_path, limit=4).path
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert verify(path, PLAIN, "digits", sample=1.0).passed
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_training_on_images_that_are_squashed_is_the_same_the_second_time(tmp_path: Path) -> None:
    spec = NetworkSpec(arch="small", classes=10, channels=4, lambdas=(0.0, 1.0))
    recipe = Recipe(epochs=1, batch_size=4, attack_steps=1, eps=8 / 255)
    images = open_images("digits").subset(range(8))
    for _ in range(2):
        train_conditional(spec, images, tmp_path, recipe, geometry=Geometry((32, 32)))


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_that_another_process_has_just_finished(tmp_path: Path, finished: bool) -> None:
    """Who waited for the lock takes the result that is there now, and computes nothing."""
    suite = SUITES["cifar-c"].narrowed(["brightness"], [1])
    run = evaluate(PLAIN, "digits", suite, out=tmp_path, limit=4, name="x")
    settings = Settings(**{key: getattr(run.result, key) for key in Settings.model_fields})
    made: list[int] = []

    class Late(type(tmp_path)):  # type: ignore[misc]
        asked = 0

        def exists(self) -> bool:
            if self.suffix != ".json":
                return super().exists()
            Late.asked += 1
            return finished and Late.asked > 1

    def compute(journal: object) -> object:
        made.append(1)
        return run

    load_or_run(Late(run.path), settings, run.cells, compute)
    assert made == ([] if finished else [1])
