"""The suites of C-bar from the list to the page, on small sets of real digits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from stormbench.benchmarks import evaluate
from stormbench.benchmarks.analysis.image_summary import summarise_images
from stormbench.benchmarks.evaluation.options import RunOptions
from stormbench.benchmarks.generation.generate import generate
from stormbench.benchmarks.results.run import ImageRun
from stormbench.benchmarks.suites.corruptions import CORRUPTION_SUITES, CorruptionSuite
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.corruptions import C_BAR, CORRUPTIONS
from stormbench.errors import InputError
from stormbench.metrics.corruption import TEST_CORRUPTIONS

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"


@pytest.mark.parametrize("suite", CORRUPTION_SUITES, ids=lambda suite: suite.name)
def test_every_suite_has_severities_for_its_corruptions(suite: CorruptionSuite) -> None:
    assert all(suite.scale in CORRUPTIONS[name].severities for name in suite.corruptions)
    assert suite.narrowed(None, None) == suite


def test_the_suites_of_imagenet_c_are_still_the_fifteen() -> None:
    for name in ("imagenet-c", "imagenet-c-299", "imagenet64-c", "cifar-c"):
        suite = SUITES[name]
        assert isinstance(suite, CorruptionSuite)
        assert suite.corruptions == TEST_CORRUPTIONS


def test_a_corruption_without_the_suites_scale_is_refused_before_anything_is_made() -> None:
    with pytest.raises(InputError, match="imagenet64-c has scale imagenet64, which has no severities of sparkles"):
        SUITES["imagenet64-c"].narrowed(["fog", "sparkles"], None)


def test_a_generated_set_scores_as_the_images_do_in_memory(tmp_path: Path) -> None:
    generate("digits", tmp_path / "set", "cifar10-c-bar", limit=8)
    assert sorted(path.stem for path in (tmp_path / "set").glob("*.npy")) == sorted([*C_BAR["cifar"], "labels"])
    read = evaluate(
        PLAIN, "digits", "cifar10-c-bar", RunOptions(out=tmp_path, name="a", limit=8, released=tmp_path / "set")
    )
    made = evaluate(PLAIN, "digits", "cifar10-c-bar", RunOptions(out=tmp_path, name="b", limit=8))
    assert isinstance(read, ImageRun)
    np.testing.assert_array_equal(read.outcomes.rank, made.outcomes.rank)
    summary = summarise_images(read, None)
    assert summary.mce is None
    assert list(summary.corruption_means) == list(C_BAR["cifar"])


def test_folders_are_as_the_published_ones(tmp_path: Path) -> None:
    few = SUITES["imagenet-c-bar"].narrowed(["caustic_refraction", "sparkles"], [1, 5])
    photo = Image.fromarray(data.astronaut())
    for name in ("photos/a/1.JPEG", "photos/b/2.JPEG"):
        (tmp_path / name).parent.mkdir(parents=True)
        photo.save(tmp_path / name)
    generate(tmp_path / "photos", tmp_path / "set", few)
    written = [path.relative_to(tmp_path / "set") for path in (tmp_path / "set").rglob("*.JPEG")]
    found = {path.as_posix().rsplit("/", 2)[0] for path in written}
    assert found == {f"{name}/{severity}" for name in ("caustic_refraction", "sparkles") for severity in (1, 5)}
    with Image.open(next((tmp_path / "set").rglob("*.JPEG"))) as image:
        assert image.size == (224, 224)
