"""How data are named."""

from pathlib import Path

import pytest
from PIL import Image

from stormbench.datasets import DATA_SOURCES, open_images
from stormbench.errors import DataError


def test_a_folder_called_digits_needs_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "digits/one").mkdir(parents=True)
    Image.new("RGB", (16, 16)).save(tmp_path / "digits/one/x.png")
    monkeypatch.chdir(tmp_path)
    assert len(open_images("digits")) == 500
    for spelling in ("./digits", "folder:digits", Path("digits")):
        assert len(open_images(spelling)) == 1


def test_nothing_there_says_what_there_could_be(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no data set at") as caught:
        open_images(tmp_path / "nothing")
    assert all(source.spelling in str(caught.value) for source in DATA_SOURCES.values())


def test_a_folder_source_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        open_images(f"folder:{tmp_path}/nothing")
