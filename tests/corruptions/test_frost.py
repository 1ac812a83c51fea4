"""Where the textures of frost come from."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stormbench.corruptions import corrupt, textures
from stormbench.errors import MissingDependencyError

IMAGE = np.zeros((40, 40, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    textures.frost_texture.cache_clear()
    yield
    textures.frost_texture.cache_clear()


def test_textures_are_read_without_importing_the_package_that_ships_them() -> None:
    code = (
        "import sys, numpy as np; from stormbench.corruptions import corrupt;"
        "corrupt(np.zeros((32, 32, 3), np.uint8), 'frost', 1, rng=np.random.default_rng(0));"
        "sys.exit('imagecorruptions' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textures, "find_spec", lambda _name: None)
    with pytest.raises(MissingDependencyError, match="pip install imagecorruptions-imaug"):
        corrupt(IMAGE, "frost", 1, rng=np.random.default_rng(0))


def test_a_named_folder_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STORMBENCH_FROST", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"frost1\.png, which is not at"):
        textures.frost_texture(0, 1.0)
    Image.new("RGB", (900, 600)).save(tmp_path / "frost1.png")
    with pytest.raises(MissingDependencyError, match=r"is not the reference's: digest .* wanted ffb26b98c3661d09"):
        textures.frost_texture(0, 1.0)


def test_an_image_larger_than_every_texture(photo: Callable[[int, int], np.ndarray]) -> None:
    image = photo(610, 1000)
    seen = {corrupt(image, "frost", 1, rng=np.random.default_rng(seed)).tobytes() for seed in range(4)}
    assert len(seen) == 4
