"""The registry, what ``corrupt`` accepts and what it refuses."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stormbench.corruptions import C_BAR, CORRUPTIONS, IMAGENET_C, SCALES, Corruption, corrupt, scale_of
from stormbench.errors import InputError, UnknownNameError
from stormbench.randomness import stream

Photo = Callable[[int, int], np.ndarray]
SIZES = [(16, 16), (16, 41), (45, 17), (64, 32), (100, 224), (233, 150), (330, 260)]
RANDOM_STATES: dict[str, Callable[[], Any]] = {
    "stream": lambda: stream(0, "test", 1, "photo"),
    "pcg64": lambda: np.random.default_rng(0),
    "legacy": lambda: np.random.RandomState(0),
}
DRAB = np.full((20, 20, 3), 77, dtype=np.uint8)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_order_is_the_papers() -> None:
    groups = [CORRUPTIONS[name].group for name in IMAGENET_C]
    assert IMAGENET_C[:3] == ("gaussian_noise", "shot_noise", "impulse_noise")
    assert IMAGENET_C[14:] == ("jpeg_compression", "speckle_noise", "gaussian_blur", "spatter", "saturate")
    assert groups == ["noise"] * 3 + ["blur"] * 4 + ["weather"] * 4 + ["digital"] * 4 + ["extra"] * 4
    assert all(set(CORRUPTIONS[name].severities) == set(SCALES) for name in IMAGENET_C)


def test_the_twenty_rows_of_c_bar_are_fifteen_corruptions() -> None:
    both = [(name, scale) for scale, names in C_BAR.items() for name in names]
    assert [len(names) for names in C_BAR.values()] == [10, 10]
    assert sorted(both) == sorted(
        (name, scale) for name, entry in CORRUPTIONS.items() if entry.group == "c-bar" for scale in entry.severities
    )
    assert set(CORRUPTIONS) == {*IMAGENET_C, *(name for name, _ in both)}
    assert len(CORRUPTIONS) == 19 + 15


def test_scale_decides_between_the_two_tables_of_a_name(photo: Photo) -> None:
    sparkles, large, small = CORRUPTIONS["sparkles"].severities, photo(224, 224), photo(32, 32)
    assert dict(sparkles["imagenet"][1]) == {"strength": 2}
    assert dict(sparkles["cifar"][1]) == {"strength": 3.5}
    for image, near, far in ((large, "imagenet", "cifar"), (small, "cifar", "imagenet")):
        auto = corrupt(image, "sparkles", 2, rng=rng())
        np.testing.assert_array_equal(auto, corrupt(image, "sparkles", 2, scale=near, rng=rng()))
        assert (auto != corrupt(image, "sparkles", 2, scale=far, rng=rng())).any()


@pytest.mark.parametrize(
    ("name", "scale"), [("perlin_noise", "cifar"), ("lines", "imagenet"), ("ripple", "imagenet64")]
)
def test_a_scale_that_a_corruption_lacks_is_refused(name: str, scale: str) -> None:
    with pytest.raises(InputError, match=f"{name} has severities for scale (imagenet|cifar), not {scale}"):
        corrupt(DRAB, name, 1, scale=scale, rng=rng())


def test_severities_have_names_and_cannot_be_changed() -> None:
    row = CORRUPTIONS["gaussian_noise"].severities["imagenet"][2]
    assert dict(row) == {"sigma": 0.18}
    with pytest.raises(TypeError):
        row["sigma"] = 1  # type: ignore[index]


def test_a_table_that_does_not_fit_its_kernel_is_refused() -> None:
    fog = CORRUPTIONS["fog"]
    tables = dict(fog.severities)
    with pytest.raises(ValueError, match="wanted five severities of"):
        Corruption("fog", "weather", True, fog.kernel, {**tables, "cifar": tables["cifar"][:4]})
    with pytest.raises(ValueError, match="scale cifar"):
        Corruption("fog", "weather", True, fog.kernel, {**tables, "cifar": (MappingProxyType({"thickness": 1.0}),) * 5})
    with pytest.raises(ValueError, match="wanted some of \\['cifar'"):
        Corruption("fog", "weather", True, fog.kernel, {"imagenot": tables["imagenet"]})
    with pytest.raises(ValueError, match="wanted some of \\['cifar'"):
        Corruption("fog", "weather", True, fog.kernel, {})


@pytest.mark.parametrize(
    ("side", "scale"),
    [
        (16, "cifar"),
        (45, "cifar"),
        (46, "imagenet64"),
        (119, "imagenet64"),
        (120, "imagenet"),
        (258, "imagenet"),
        (259, "inception"),
    ],
)
def test_scale_follows_the_short_side(side: int, scale: str) -> None:
    assert scale_of(side, side + 300) == scale_of(side + 300, side) == scale


def test_scale_can_be_named(photo: Photo) -> None:
    image = photo(32, 32)
    assert (corrupt(image, "contrast", 3, scale="cifar", rng=rng()) == corrupt(image, "contrast", 3, rng=rng())).all()
    assert (
        corrupt(image, "contrast", 3, scale="imagenet", rng=rng()) != corrupt(image, "contrast", 3, rng=rng())
    ).any()


@pytest.mark.parametrize("kind", RANDOM_STATES)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_any_size_gives_the_same_size(photo: Photo, name: str, kind: str) -> None:
    for size in SIZES:
        image = photo(*size)
        image.setflags(write=False)
        for severity in (1, 5):
            first = corrupt(image, name, severity, rng=RANDOM_STATES[kind]())
            again = corrupt(image, name, severity, rng=RANDOM_STATES[kind]())
            assert first.shape == image.shape
            assert first.dtype == np.uint8
            assert not np.shares_memory(first, image)
            np.testing.assert_array_equal(first, again)
            spared = severity == 1 and CORRUPTIONS[name].group == "c-bar"  # few pixels, and a small image has few
            assert spared or (first != image).any(), "nothing happened"


@pytest.mark.parametrize("name", CORRUPTIONS)
@settings(max_examples=12, deadline=None)
@given(
    image=arrays(np.uint8, st.tuples(st.integers(16, 40), st.integers(16, 40), st.just(3))),
    severity=st.integers(1, 5),
    number=st.integers(0, 2),
)
def test_any_content_is_corrupted(name: str, image: np.ndarray, severity: int, number: int) -> None:
    before = image.copy()
    scale = ["auto", *CORRUPTIONS[name].severities][number % (1 + len(CORRUPTIONS[name].severities))]
    assert corrupt(image, name, severity, scale=scale, rng=rng()).shape == image.shape
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_black_white_and_flat_images_survive(name: str) -> None:
    for value in (0, 77, 255):
        for severity in (1, 3, 5):
            assert corrupt(np.full((32, 48, 3), value, np.uint8), name, severity, rng=rng()).shape == (32, 48, 3)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_only_the_stochastic_ones_draw(photo: Photo, name: str) -> None:
    used, fresh = np.random.RandomState(5), np.random.RandomState(5)
    corrupt(photo(32, 32), name, 3, rng=used)
    assert (used.random_sample() != fresh.random_sample()) == CORRUPTIONS[name].stochastic


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_grey_and_transparent_images_become_rgb(photo: Photo, name: str) -> None:
    colour = photo(32, 40)
    grey = colour[:, :, 0]
    wanted = corrupt(np.stack([grey] * 3, axis=2), name, 2, rng=rng())
    np.testing.assert_array_equal(corrupt(grey, name, 2, rng=rng()), wanted)
    np.testing.assert_array_equal(corrupt(grey[:, :, np.newaxis], name, 2, rng=rng()), wanted)
    transparent = np.dstack([colour, grey])
    np.testing.assert_array_equal(corrupt(transparent, name, 2, rng=rng()), corrupt(colour, name, 2, rng=rng()))
    np.testing.assert_array_equal(
        corrupt(colour[::-1, ::-1], name, 2, rng=rng()), corrupt(colour[::-1, ::-1].copy(), name, 2, rng=rng())
    )


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (DRAB / 255.0, "dtype uint8 with values 0..255, got float64"),
        (np.full((20, 20, 3), np.nan), "got float64"),
        (DRAB.astype(np.int64), "got int64"),
        (DRAB[:, :, :2], "got \\(20, 20, 2\\)"),
        (DRAB[np.newaxis], "got \\(1, 20, 20, 3\\)"),
        (DRAB[:15], "16 rows and columns or more, got shape \\(15, 20, 3\\)"),
        (DRAB.tolist(), "numpy array of dtype uint8, got list"),
    ],
)
def test_bad_images_are_refused(image: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        corrupt(image, "fog", 1, rng=rng())


@pytest.mark.parametrize("severity", [6, 5.01, -1, -0.5, float("nan"), float("inf"), "3", True, None, 2 + 0j])
def test_bad_severities_are_refused(severity: Any) -> None:
    with pytest.raises(InputError, match="severity must be a number from 0 to 5"):
        corrupt(DRAB, "fog", severity, rng=rng())


def test_numpy_integers_are_severities() -> None:
    assert corrupt(DRAB, "contrast", np.int64(5), rng=rng()).shape == DRAB.shape


def test_unknown_names_are_answered_with_the_near_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean gaussian_blur"):
        corrupt(DRAB, "gausian_blur", 1, rng=rng())
    with pytest.raises(UnknownNameError, match=r"no scale named 'cifer'; did you mean cifar"):
        corrupt(DRAB, "fog", 1, scale="cifer", rng=rng())


@pytest.mark.parametrize("bad", [0, None, np.random])
def test_randomness_must_be_brought(bad: Any) -> None:
    with pytest.raises(InputError, match=r"rng must be a numpy\.random\.Generator or RandomState"):
        corrupt(DRAB, "fog", 1, rng=bad)
