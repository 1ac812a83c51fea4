"""Sets on disk: in the layouts of the published ones, as PNG files, and as WebDataset tars."""

from stormbench.datasets.export.base import Writer
from stormbench.datasets.export.writers import writer_of

__all__ = ["Writer", "writer_of"]
