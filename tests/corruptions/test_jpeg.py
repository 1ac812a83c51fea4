"""JPEG: the round trip without a file leaves the pixels that Pillow's codec leaves."""

import logging
from collections.abc import Callable, Iterator
from io import BytesIO

import numpy as np
import pytest
import skimage.data
from PIL import Image

from stormbench.corruptions import CORRUPTIONS, corrupt
from stormbench.corruptions.kernels import dct, jpeg, roundtrip, ycc
from stormbench.randomness import stream

SIZES = [(16, 16), (37, 53), (53, 37), (64, 64), (225, 223), (1, 5), (7, 5), (2, 6), (17, 33), (15, 48), (130, 5)]
PLAIN = np.zeros((40, 40, 3), np.uint8)


def by_pillow(image: np.ndarray, quality: int) -> np.ndarray:
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def contents(height: int, width: int) -> Iterator[np.ndarray]:
    """Noise, extremes, plain areas, colours that leave the gamut, a photograph."""
    rng = np.random.default_rng([height, width])
    yield rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    yield np.where(rng.random((height, width, 3)) < 0.5, 0, 255).astype(np.uint8)
    y, x = np.mgrid[:height, :width]
    yield (np.stack([y, x, y + x], axis=2) * 3 % 256).astype(np.uint8)
    yield np.repeat((((y // 3 + x // 5) % 2) * 255)[:, :, np.newaxis], 3, axis=2).astype(np.uint8) // [[[1, 2, 255]]]
    yield np.resize(skimage.data.astronaut()[60:300, 80:330], (height, width, 3))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_equals_pillow_at_every_size(size: tuple[int, int]) -> None:
    for image in contents(*size):
        for quality in (1, 10, 49, 50, 85, 95, 100):
            pixels = image.astype(np.uint8)
            got = roundtrip.round_trip(pixels, quality)
            np.testing.assert_array_equal(got, by_pillow(pixels, quality), err_msg=f"quality {quality}")


@pytest.mark.parametrize("quality", range(1, 101))
def test_equals_pillow_at_every_quality(quality: int, photo: Callable[[int, int], np.ndarray]) -> None:
    for image in (photo(64, 72), next(contents(50, 70))):
        np.testing.assert_array_equal(jpeg.jpeg_round_trip(image, quality), by_pillow(image, quality))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_equals_pillow_on_corrupted_photographs(name: str, photo: Callable[[int, int], np.ndarray]) -> None:
    scale = "imagenet" if "imagenet" in CORRUPTIONS[name].severities else "cifar"
    for severity in range(1, 6):
        image = corrupt(photo(96, 112), name, severity, scale=scale, rng=stream(0, name, severity, "jpeg"))
        np.testing.assert_array_equal(jpeg.jpeg_round_trip(image, 85), by_pillow(image, 85), err_msg=str(severity))


@pytest.mark.parametrize("width", range(1, 10))
def test_narrow_images_are_taken_too(width: int) -> None:
    for height in (1, 8, 21):
        for image in contents(height, width):
            pixels = image.astype(np.uint8)
            np.testing.assert_array_equal(jpeg.jpeg_round_trip(pixels, 60), by_pillow(pixels, 60))


def test_views_are_taken_and_left_as_they_are(photo: Callable[[int, int], np.ndarray]) -> None:
    whole = photo(64, 80)
    frozen = whole.copy()
    frozen.flags.writeable = False
    for view in (whole[:, ::2], whole[::-1], whole[:, :, ::-1], frozen, whole.transpose(1, 0, 2)):
        before = view.copy()
        np.testing.assert_array_equal(jpeg.jpeg_round_trip(view, 85), by_pillow(np.ascontiguousarray(view), 85))
        np.testing.assert_array_equal(view, before)


def test_no_pixel_beyond_the_image_is_written_or_read() -> None:
    """Rows are written 16 pixels at a time: images with other contents in the same memory before them agree."""
    image = next(contents(33, 19))
    first = roundtrip.round_trip(image, 85)
    for other in contents(33, 19):
        roundtrip.round_trip(other.astype(np.uint8), 1)
    np.testing.assert_array_equal(roundtrip.round_trip(image, 85), first)


def test_colours_and_transform_are_those_of_the_standard() -> None:
    """ITU-T T.81 and JFIF in floating point; the fixed-point formulas stay within their rounding."""
    rng = np.random.default_rng(0)
    r, g, b = rng.integers(0, 256, (3, 10_000)).astype(np.int32)
    y, blue, red = ycc.ycc(r, g, b)
    wanted = (
        0.299 * r + 0.587 * g + 0.114 * b,
        -0.168736 * r - 0.331264 * g + 0.5 * b + 128,
        0.5 * r - 0.418688 * g - 0.081312 * b + 128,
    )
    for got, exact in zip((y, blue, red), wanted, strict=True):
        assert np.abs(got - exact).max() <= 0.51
    for got, exact in zip(ycc.rgb(y, blue, red), (r, g, b), strict=True):
        assert np.abs(got - exact).max() <= 2
    x = rng.integers(-128, 128, (8, 10_000)).astype(np.int32)
    angles = np.pi / 16 * np.outer(np.arange(8), 2 * np.arange(8) + 1)
    exact = np.cos(angles) @ x * np.where(np.arange(8) == 0, 1, np.sqrt(2))[:, np.newaxis]
    spectrum = np.array(dct.scaled(dct.forward(x), 11, 2))  # 4 times the transform, as sums of eight
    assert np.abs(spectrum / 4 - exact).max() < 0.2
    assert np.abs((np.array(dct.backward(spectrum, 1 << 17)) >> 18) * 4 - x * 4).max() <= 4


@pytest.fixture
def fresh_check() -> Iterator[None]:
    jpeg._codec_is_known.cache_clear()
    yield
    jpeg._codec_is_known.cache_clear()


@pytest.mark.usefixtures("fresh_check")
def test_another_codec_is_noticed_said_once_and_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, photo: Callable[[int, int], np.ndarray]
) -> None:
    """A kernel that disagrees with the codec (here: by another quality) must not be used."""
    honest = jpeg.round_trip
    monkeypatch.setattr(jpeg, "round_trip", lambda image, quality: honest(image, max(quality - 1, 1)))
    image = photo(48, 64)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            np.testing.assert_array_equal(jpeg.jpeg_round_trip(image, 85), by_pillow(image, 85))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "JPEG codec" in caplog.text


@pytest.mark.usefixtures("fresh_check")
def test_where_the_codec_is_the_known_one_nothing_is_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not jpeg._codec_is_known():
        pytest.skip("this machine's JPEG codec is another one")
    monkeypatch.setattr(jpeg, "codec_round_trip", None)
    jpeg.jpeg_round_trip(PLAIN, 85)
    assert not caplog.records
