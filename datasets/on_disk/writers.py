"""Which writer a set has."""

from collections.abc import Sequence
from pathlib import Path

from stormbench.cells import Cell
from stormbench.corruptions import SCALES
from stormbench.datasets.images import ImageSet
from stormbench.datasets.on_disk.array_writer import corruption_arrays, sequence_arrays
from stormbench.datasets.on_disk.folder_writer import FilmWriter, FolderWriter
from stormbench.datasets.on_disk.layouts import film_places, places
from stormbench.datasets.on_disk.manifest import Manifest
from stormbench.datasets.on_disk.tar_writer import TarWriter
from stormbench.datasets.on_disk.writer import Writer
from stormbench.datasets.on_the_fly import clean_pixels, frame_count


def writer_of(root: Path, images: ImageSet, recipe: Manifest, cells: Sequence[Cell]) -> Writer:
    """What writes some cells of a set.

    Args:
        root: where the set goes.
        images: that it is made of.
        recipe: how it is made.
        cells: what will be written.

    Raises:
        DataError: images cannot be written in this layout, under their names.
    """
    quality, labels = recipe.jpeg_quality, images.labels
    match recipe.layout:
        case "folders":
            return FolderWriter(root, places(images), quality)
        case "png":
            return FolderWriter(root, places(images, ".png"), quality)
        case "webdataset":
            return TarWriter(root, images.keys, labels, quality)
        case "arrays":
            shape = clean_pixels(images.read(0), recipe.geometry).shape
            return corruption_arrays(
                root, dict(cells), recipe.severities or (), labels=labels, shape=shape, quality=quality
            )
        case "films":
            return FilmWriter(root, film_places(images), images_a_shard=8)
        case "sequences":
            frames = {name: frame_count(name, recipe.scale) for name, _ in cells}
            return sequence_arrays(root, cells, labels=labels, frames=frames, side=SCALES[recipe.scale])
