"""Motion blur against the real ImageMagick, through Wand."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stormbench.corruptions.kernels.motion import motion_blur


@pytest.fixture(scope="module")
def wand_image() -> Any:
    image = pytest.importorskip("wand.image", reason="ImageMagick's library is not installed", exc_type=ImportError)
    version = pytest.importorskip("wand.version")
    if version.MAGICK_VERSION_INFO[0] != 6 or version.QUANTUM_DEPTH != 16 or version.MAGICK_HDRI:
        pytest.skip("the reference is ImageMagick 6 with 16 bits and no HDRI")
    return image.Image


def by_imagemagick(wand_image: Any, image: np.ndarray, radius: float, sigma: float, angle: float) -> np.ndarray:
    png = BytesIO()
    Image.fromarray(image).save(png, "PNG")
    with wand_image(blob=png.getvalue()) as canvas:
        canvas.motion_blur(radius=radius, sigma=sigma, angle=angle)
        return np.asarray(Image.open(BytesIO(canvas.make_blob("png"))).convert("RGB"))


@pytest.mark.parametrize(("radius", "sigma"), [(6, 1), (10, 3), (15, 8), (20, 15), (22, 16), (12, 3)])
@pytest.mark.parametrize("size", [(32, 32), (64, 64), (90, 131)])
def test_equals_imagemagick(
    photo: Callable[[int, int], np.ndarray], wand_image: Any, size: tuple[int, int], radius: float, sigma: float
) -> None:
    image = photo(*size)
    for angle in [*np.random.default_rng(int(radius)).uniform(-180, 180, 8), -90.0, 0.0, 45.0, -45.0, 30.0]:
        np.testing.assert_array_equal(
            motion_blur(image, radius, sigma, angle),
            by_imagemagick(wand_image, image, radius, sigma, angle),
            err_msg=f"angle {angle}",
        )
