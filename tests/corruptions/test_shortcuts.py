"""Ways that are only faster leave the pixels as they were."""

from collections.abc import Callable

import numpy as np
import pytest

from stormbench.corruptions import corrupt
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels import bend, disk, flat, zoom
from stormbench.randomness import stream


def partly_plain(side: tuple[int, int]) -> list[np.ndarray]:
    """One colour; two; stripes as wide as windows; a photograph's kind of noise beside white; one odd pixel."""
    height, width = side
    rng = np.random.default_rng(0)
    one = np.full((height, width, 3), (10, 200, 90), np.uint8)
    two = one.copy()
    two[: height // 3, width // 2 :] = (10, 7, 90)
    stripes = one.copy()
    stripes[:, ::23] = 0
    beside = np.full((height, width, 3), 255, np.uint8)
    beside[height // 2 :, : width // 3] = rng.integers(0, 256, (height - height // 2, width // 3, 3))
    odd = one.copy()
    odd[height // 2, width // 2, 1] += 1
    corner = one.copy()
    corner[-1, -1, 2] += 1
    return [one, two, stripes, beside, odd, corner]


@pytest.mark.parametrize("side", [(96, 80), (32, 32), (17, 61)], ids=str)
@pytest.mark.parametrize("name", ["defocus_blur", "zoom_blur"])
def test_plain_areas_are_looked_up(name: str, side: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    scale = "cifar" if max(side) < 40 else "imagenet64"
    for image in partly_plain(side):
        for severity in range(1, 6):
            rng = stream(0, name, severity, "x")
            with monkeypatch.context() as without:
                without.setattr(disk, "settle_flat", lambda *_: None)
                without.setattr(zoom, "_settle_plain", lambda *_: None)
                wanted = corrupt(image, name, severity, scale=scale, rng=rng)
            got = corrupt(image, name, severity, scale=scale, rng=rng)
            np.testing.assert_array_equal(got, wanted, err_msg=f"severity {severity}")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("reach", [0, 1, 3, 40])
def test_flat_windows_are_found_all_and_no_other(channels: int, reach: int) -> None:
    rng = np.random.default_rng(reach)
    image = np.repeat(np.repeat(rng.integers(0, 3, (6, 5, channels)), 5, axis=0), 6, axis=1).astype(np.uint8)
    height, width = image.shape[:2]
    out, marks = np.zeros((height, width * channels), np.uint8), rng.random((height, width * channels)) < 0.97
    before = marks.copy()
    flat.settle_flat(image, reach, np.arange(100, 356).astype(np.uint8), out, marks)
    for y in range(height):
        for x in range(width):
            window = image[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
            for k in range(channels):
                place = y, x * channels + k
                level = window[..., k]
                found = before[place] and (level == level[0, 0]).all()
                assert marks[place] == (before[place] and not found)
                assert out[place] == (100 + level[0, 0] if found else 0)


def test_few_doubts_are_left_to_others() -> None:
    marks = np.zeros((20, 60), np.bool_)
    marks[3] = True
    flat.settle_flat(np.zeros((20, 20, 3), np.uint8), 1, np.zeros(256, np.uint8), np.zeros((20, 60), np.uint8), marks)
    assert marks.sum() == 60


@pytest.mark.parametrize("severity", [1, 2])
@pytest.mark.parametrize("side", [(227, 227), (227, 224), (64, 331)], ids=str)
def test_awkward_sides_are_bent_as_by_the_cosine_transform(
    side: tuple[int, int], severity: int, photo: Callable[[int, int], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = photo(*side)

    def bent() -> np.ndarray:
        return corrupt(
            image, "elastic_transform", severity, scale="imagenet", rng=stream(0, "elastic_transform", severity, "x")
        )

    got = bent()
    monkeypatch.setattr(bend, "_is_awkward", lambda _: False)
    np.testing.assert_array_equal(got, bent())


def test_sides_with_a_large_prime_factor_are_awkward_if_they_are_short() -> None:
    assert [side for side in (64, 224, 227, 254, 256, 299, 331, 500, 1009, 1021, 1499) if bend._is_awkward(side)] == [
        227,
        254,
        331,
        1009,
        1021,
    ]
    field = np.random.default_rng(0).uniform(-1, 1, (227, 331))
    for sigma in (19.52, 170.8):
        down, along = bend._smoothing(sigma, 227), bend._smoothing(sigma, 331)
        np.testing.assert_allclose(down @ field @ along, _by_transform(field, sigma), rtol=0, atol=1e-12)


def _by_transform(field: np.ndarray, sigma: float) -> np.ndarray:
    from scipy import fft

    down, along = (bend._response(sigma, side) for side in field.shape)
    spectrum = fft.dctn(field, norm="ortho") * (down[:, np.newaxis] * along)
    return np.asarray(fft.idctn(spectrum, norm="ortho"))


@pytest.mark.parametrize(
    "kind", [np.random.RandomState, lambda s: np.random.Generator(np.random.SFC64(s)), np.random.default_rng]
)
def test_draws_asked_for_at_once_are_those_of_one_call_after_the_other(kind: Callable[[int], object]) -> None:
    counts = [1, 1, 4, 3, 16, 1, 33_000, 7]
    singly, together = Draws(kind(5)), Draws(kind(5))
    for one, other in zip([singly.unit(count) for count in counts], together.units(counts), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(singly.unit(5), together.unit(5))
