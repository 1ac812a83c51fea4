"""Floor 2: labelled image sets, corrupted on the fly or written out."""

from stormbench.datasets.classes import match_classes
from stormbench.datasets.geometry import Geometry
from stormbench.datasets.images import ImageSet
from stormbench.datasets.sources import DATA_SOURCES, DataSource, open_images

__all__ = ["DATA_SOURCES", "DataSource", "Geometry", "ImageSet", "match_classes", "open_images"]
