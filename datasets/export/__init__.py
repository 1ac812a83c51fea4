"""Corrupted sets on disk: in the layouts of the published ones, as PNG files, and as WebDataset tars."""

from stormbench.datasets.export.arrays import ArrayWriter
from stormbench.datasets.export.base import Writer
from stormbench.datasets.export.folders import FolderWriter, places
from stormbench.datasets.export.tars import TarWriter

__all__ = ["ArrayWriter", "FolderWriter", "TarWriter", "Writer", "places"]
