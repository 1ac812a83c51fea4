"""The fast kernels against the plain ones, at sizes for which there are no images of the reference."""

from collections.abc import Callable

import corruptions_plain
import numpy as np
import pytest

from stormbench.corruptions import CORRUPTIONS, IMAGENET_C, corrupt, scale_of

SIZES = [(16, 16), (17, 40), (61, 33), (100, 75), (130, 211), (270, 301)]


def wanted(image: np.ndarray, name: str, severity: int, seed: int) -> np.ndarray:
    row = CORRUPTIONS[name].severities[scale_of(*image.shape[:2])][severity - 1]
    return np.asarray(getattr(corruptions_plain, name)(image, np.random.RandomState(seed), **row))


@pytest.mark.parametrize("name", IMAGENET_C)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_equal_at_any_size(photo: Callable[[int, int], np.ndarray], size: tuple[int, int], name: str) -> None:
    image = photo(*size)
    for severity in range(1, 6):
        got = corrupt(image, name, severity, rng=np.random.RandomState(severity))
        np.testing.assert_array_equal(got, wanted(image, name, severity, severity), err_msg=f"severity {severity}")


@pytest.mark.parametrize("name", IMAGENET_C)
def test_equal_on_unnatural_images(name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8)
    blocks = np.repeat(np.repeat(noise[::8, ::8], 8, axis=0), 8, axis=1)
    blocks[:, :24] = 255
    blocks[:, 24:40] = 0
    dusty = np.full_like(noise, 255)
    dusty[::7, ::9] = 254
    for image in (noise, blocks, dusty, np.zeros_like(noise), np.full_like(noise, 255)):
        for severity in (1, 3, 5):
            got = corrupt(image, name, severity, rng=np.random.RandomState(severity))
            np.testing.assert_array_equal(got, wanted(image, name, severity, severity))
