"""Frost textures that are none: the variable, the file and the remedy are named."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stormbench.corruptions.textures import FOLDER_VARIABLE, frost_texture
from stormbench.errors import MissingDependencyError


def empty(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("<html>404</html>")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", [empty, text, pipe, device, folder])
def test_garbage_textures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[[Path], None]) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    kind(tmp_path / "frost1.png")
    frost_texture.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"frost1\.png.*pip install imagecorruptions-imaug"):
        frost_texture(0, 1.0)
