"""Geometry is judged by torchvision's transforms on PIL images, and the Inception recipe by its written description."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stormbench.datasets import Geometry
from stormbench.datasets.geometry import FILTERS
from stormbench.errors import InputError

SIZES = [(500, 375), (375, 500), (227, 227), (333, 251), (251, 333), (256, 256), (640, 101), (97, 61), (31, 30), (1, 1)]


def photo(width: int, height: int) -> Image.Image:
    import skimage.data

    return Image.fromarray(skimage.data.astronaut()).resize((width, height))


@pytest.fixture(scope="module")
def transforms():
    from stormbench.torchvision_guard import import_torchvision

    return import_torchvision().transforms


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "geometry", [Geometry(256, 224), Geometry(224, 224), Geometry(64, 63), Geometry(None, 224), Geometry(33)], ids=str
)
def test_equals_torchvision(transforms, size: tuple[int, int], geometry: Geometry) -> None:
    image = photo(*size)
    steps = [transforms.Resize(geometry.resize)] if geometry.resize else []
    steps += [transforms.CenterCrop(geometry.crop)] if geometry.crop else []
    np.testing.assert_array_equal(geometry(image), np.asarray(transforms.Compose(steps)(image)))


@pytest.mark.parametrize("interpolation", FILTERS)
def test_filters_equal_torchvision(transforms, interpolation: str) -> None:
    image = photo(333, 251)
    expected = transforms.Resize(97, transforms.InterpolationMode(interpolation))(image)
    np.testing.assert_array_equal(Geometry(97, interpolation=interpolation)(image), np.asarray(expected))


@pytest.mark.parametrize("size", SIZES[:-1], ids=str)
def test_without_aspect_equals_torchvision(transforms, size: tuple[int, int]) -> None:
    image = photo(*size)
    expected = transforms.Resize((64, 48))(image)  # torchvision says height first
    np.testing.assert_array_equal(Geometry((48, 64))(image), np.asarray(expected))


def test_equals_torchvision_on_photographs(transforms, shared: Path) -> None:
    paths = sorted((shared / "data/imagenet/one-per-class").rglob("*.JPEG"))[:12]
    compose = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    for path in paths:
        image = Image.open(path).convert("RGB")
        np.testing.assert_array_equal(Geometry(256, 224)(image), np.asarray(compose(image)), str(path))


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (299, 299), (101, 57), (40, 16)], ids=str)
def test_inception_recipe(size: tuple[int, int]) -> None:
    image = photo(*size)
    width, height = int(size[0] * 0.875), int(size[1] * 0.875)
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    expected = image.crop((left, top, left + width, top + height)).resize((299, 299), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(Geometry.inception(299)(image), np.asarray(expected))


def test_pixels_are_our_own() -> None:
    image = photo(32, 32)
    pixels = Geometry()(image)
    pixels[:] = 0
    assert np.asarray(image).any()


@pytest.mark.parametrize("geometry", [Geometry(256, 224), Geometry.inception(299), Geometry((64, 64))], ids=str)
def test_survives_json(geometry: Geometry) -> None:
    assert Geometry(**json.loads(json.dumps(asdict(geometry)))) == geometry


@pytest.mark.parametrize(
    "arguments", [{"resize": 0}, {"crop": -1}, {"resize": (0, 3)}, {"interpolation": "linear"}, {"central_fraction": 2}]
)
def test_refuses_nonsense(arguments) -> None:
    with pytest.raises(InputError):
        Geometry(**arguments)
