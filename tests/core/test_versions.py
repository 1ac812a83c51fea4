"""OpenCV counts as installed under each of the names that it is distributed under."""

import importlib.metadata

import pytest

from stormbench.errors import MissingDependencyError
from stormbench.versions import version_of


@pytest.mark.parametrize("installed", ["opencv-python-headless", "opencv-contrib-python"])
def test_opencv_under_its_other_names(monkeypatch: pytest.MonkeyPatch, installed: str) -> None:
    def version(name: str) -> str:
        if name != installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return "4.13.0.92"

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert version_of("opencv-python") == "4.13.0.92"
    with pytest.raises(MissingDependencyError, match="pip install scipy"):
        version_of("scipy")
