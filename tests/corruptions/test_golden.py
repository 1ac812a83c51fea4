"""The reference's own outputs, bit for bit."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stormbench.corruptions import C_BAR, IMAGENET_C, corrupt

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


@pytest.mark.parametrize("name", IMAGENET_C)
@pytest.mark.parametrize("scale", VARIANTS)
def test_equals_the_reference(shared: Path, scale: str, name: str) -> None:
    variant, side, severities = VARIANTS[scale]
    for photo in PHOTOS:
        image = pixels(shared / "golden" / "inputs" / f"{photo}_{side}.png")
        for severity in severities:
            wanted = pixels(shared / "golden" / variant / FOLDERS.get(name, name) / str(severity) / f"{photo}.png")
            got = corrupt(image, name, severity, rng=np.random.RandomState(0))
            np.testing.assert_array_equal(got, wanted, err_msg=f"{photo}, severity {severity}")


@pytest.mark.parametrize(("scale", "name"), [(scale, name) for scale, names in C_BAR.items() for name in names])
def test_equals_the_reference_of_c_bar(shared: Path, scale: str, name: str) -> None:
    folder, (variant, side, severities) = shared / "golden" / "cbar", VARIANTS[scale]
    drawn = json.loads((folder / "params.json").read_text())
    for photo in PHOTOS:
        image = pixels(folder / "inputs" / f"{photo}_{side}.png")
        for severity in severities:
            rng = np.random.RandomState(0)
            got = corrupt(image, name, severity, scale=scale, rng=rng)
            wanted = pixels(folder / variant / name / str(severity) / f"{photo}.png")
            np.testing.assert_array_equal(got, wanted, err_msg=f"{photo}, severity {severity}")
            assert rng.uniform(0, 1) == drawn[f"{variant}/{name}/{severity}"]["_next_uniform"], "as many draws"
