"""Versions of installed libraries, for the records of what made a set or a result."""

import importlib.metadata
from contextlib import suppress

from stormbench.errors import MissingDependencyError

# One library in several distributions: with and without a display, with and without extra modules.
_DISTRIBUTIONS = {
    "opencv-python": (
        "opencv-python",
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    )
}


def version_of(library: str) -> str:
    """The version of a library, whichever of its distributions is installed.

    Args:
        library: name of its usual distribution.

    Raises:
        MissingDependencyError: none is installed.

    Example:
        >>> version_of("numpy").count(".")
        2
    """
    for distribution in _DISTRIBUTIONS.get(library, (library,)):
        with suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(distribution)
    raise MissingDependencyError(f"{library} is not installed; run: pip install {library}")
