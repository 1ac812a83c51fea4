"""The reference's own outputs, bit for bit."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stormbench.corruptions import CORRUPTIONS, corrupt

VARIANTS = {
    "imagenet": ("in224", 224, range(1, 6)),
    "imagenet64": ("in64", 64, range(1, 6)),
    "cifar": ("cifar32", 32, range(1, 6)),
    "inception": ("inception299", 299, [3]),
}
FOLDERS = {"impulse_noise": "impulse_noise_legacy"}
PHOTOS = ("astronaut", "chelsea")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("scale", VARIANTS)
def test_equals_the_reference(shared: Path, scale: str, name: str) -> None:
    variant, side, severities = VARIANTS[scale]
    for photo in PHOTOS:
        image = pixels(shared / "golden" / "inputs" / f"{photo}_{side}.png")
        for severity in severities:
            wanted = pixels(shared / "golden" / variant / FOLDERS.get(name, name) / str(severity) / f"{photo}.png")
            got = corrupt(image, name, severity, rng=np.random.RandomState(0))
            np.testing.assert_array_equal(got, wanted, err_msg=f"{photo}, severity {severity}")
