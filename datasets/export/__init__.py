"""Corrupted sets on disk, in the layouts of the published ones."""

from stormbench.datasets.export.arrays import ArrayWriter
from stormbench.datasets.export.base import Writer
from stormbench.datasets.export.folders import FolderWriter, places

__all__ = ["ArrayWriter", "FolderWriter", "Writer", "places"]
