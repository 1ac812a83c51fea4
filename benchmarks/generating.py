"""Writes a corrupted image set: every image of a data set, in every cell of a suite."""

import importlib.metadata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.shards import Journal, Shard, refuse_changes, split, work_off
from stormbench.benchmarks.suites import SUITES, Suite
from stormbench.benchmarks.survey import Progress, sound_images, survey
from stormbench.corruptions import CORRUPTIONS
from stormbench.datasets import ImageSet, open_images
from stormbench.datasets.corrupted import OnTheFly
from stormbench.datasets.export import ArrayWriter, FolderWriter, Writer, places
from stormbench.datasets.export.base import Cell
from stormbench.datasets.folder import FolderImages
from stormbench.datasets.manifest import Manifest, read_manifest
from stormbench.errors import DataError

_JOURNAL = ".unfinished"
_IMAGES_A_SHARD = 32
_VERSIONS_OF = ("stormbench", "numpy", "scipy", "opencv-python", "Pillow")


@dataclass(frozen=True)
class GenerateShard:
    """Decodes each image of a shard once, makes all its cells and writes them; runs in a worker.

    Attributes:
        images: the data set.
        pixels: makes the cells.
        cells: what to make.
        writer: where they go.
    """

    images: ImageSet
    pixels: OnTheFly
    cells: Sequence[Cell]
    writer: Writer

    def __call__(self, shard: Shard) -> dict[str, NDArray[Any]]:
        """Returns ``digests`` of the files, shape ``(cells, images of the shard)``."""
        digests = np.array([self._image(index) for index in range(shard.start, shard.stop)], dtype="S32")
        self.writer.settle()
        return {"digests": digests.T}

    def _image(self, index: int) -> list[str]:
        clean, key = self.pixels.clean(self.images.read(index)), self.images.keys[index]
        return [self.writer.write(index, cell, self.pixels.raw(clean, *cell, key)) for cell in self.cells]


def generate(
    source: str | Path | ImageSet,
    out: str | Path,
    suite: str | Suite = "imagenet-c",
    *,
    corruptions: Sequence[str] | None = None,
    severities: Sequence[int] | None = None,
    limit: int | None = None,
    seed: int = 0,
    workers: int = 0,
    skip_broken: bool = False,
    progress: Progress | None = None,
) -> Manifest:
    """Writes the corrupted set of a suite, and continues where an earlier try was interrupted.

    Suites with a JPEG codec go into ImageNet-C's folders, lossless ones into CIFAR-10-C's arrays. The bytes depend on
    nothing but the images, the suite and the seed: not on the number of workers, nor on interruptions. Cells can be
    added to a finished set.

    Args:
        source: a data set, or where it is (``open_images``).
        out: folder for the set.
        suite: a suite or its name.
        corruptions: only these; others than the suite's may be named.
        severities: only these.
        limit: only the first so many images.
        seed: seed of all corruptions.
        workers: number of worker processes; 0 works in this one.
        skip_broken: leave out images that cannot be decoded, and record which.
        progress: called with the number of images done and the number of all.

    Returns:
        The manifest of the set, which lies in ``out`` too.

    Raises:
        SettingsChangedError: the set in ``out`` was made otherwise.
        StormbenchError: see ``stormbench.errors``; whatever was finished is kept.
    """
    suite = (SUITES[suite] if isinstance(suite, str) else suite).narrowed(corruptions, severities)
    images = open_images(source) if isinstance(source, str | Path) else source
    images = images if limit is None else images.subset(range(min(limit, len(images))))
    root = Path(out)
    _refuse_own_source(images, root)
    found = survey(images, workers=workers)
    sound = sound_images(images, found, skip_broken=skip_broken)
    skipped = [images.keys[index] for index in found.broken]
    wanted = _manifest(suite, sound, seed=seed, fingerprint=found.fingerprint, skipped=skipped)
    return _Run(root, suite, sound, wanted).go(workers, progress)


def _manifest(suite: Suite, images: ImageSet, *, seed: int, fingerprint: str, skipped: list[str]) -> Manifest:
    arrays = suite.jpeg_quality is None
    return Manifest(
        layout="arrays" if arrays else "folders",
        suite=suite.name,
        scale=suite.scale,
        geometry=None if suite.geometry is None else asdict(suite.geometry),
        jpeg_quality=suite.jpeg_quality,
        seed=seed,
        data=images.name,
        classes=list(images.classes),
        images=len(images),
        fingerprint=fingerprint,
        skipped=skipped,
        keys=list(images.keys) if arrays else None,
        severities=list(suite.severities) if arrays else None,
        versions={library: importlib.metadata.version(library) for library in _VERSIONS_OF},
        cells=suite.cells,
    )


def _refuse_own_source(images: ImageSet, root: Path) -> None:
    if isinstance(images, FolderImages) and root.resolve().is_relative_to(images.root.resolve()):
        raise DataError(f"{root} is in the source {images.root}, whose classes would then be others; write elsewhere")


@dataclass(frozen=True)
class _Run:
    """One call of ``generate``."""

    root: Path
    suite: Suite
    images: ImageSet
    wanted: Manifest

    def go(self, workers: int, progress: Progress | None) -> Manifest:
        there = read_manifest(self.root)
        if there is not None:
            refuse_changes(_settings(there), _settings(self.wanted), where=str(self.root))
        finished = [] if there is None else there.cells
        cells = [cell for cell in self.wanted.cells if cell not in finished]
        whole = self.wanted.model_copy(update={"cells": _in_order([*finished, *cells])})
        journal = Journal(self.root / _JOURNAL, _settings(self.wanted) | {"cells": cells})
        if cells:
            self._write(cells, journal, workers, progress)
            whole.write(self.root)
        if journal.folder.exists():
            journal.remove()
        return whole

    def _write(self, cells: Sequence[Cell], journal: Journal, workers: int, progress: Progress | None) -> None:
        pixels = OnTheFly(self.suite.geometry, self.suite.scale, self.suite.jpeg_quality, self.wanted.seed)
        writer = self._writer(cells, pixels)
        if not journal.folder.exists():
            _refuse_to_overwrite(writer.targets(cells))
        with journal.open():
            writer.prepare()
            shards = split(len(self.images), _IMAGES_A_SHARD)
            task = GenerateShard(self.images, pixels, cells, writer)
            work_off(task, journal, shards, workers=workers, progress=progress)
            writer.finish(cells, ((shard.start, journal.read(shard.index)["digests"]) for shard in shards))

    def _writer(self, cells: Sequence[Cell], pixels: OnTheFly) -> Writer:
        if self.suite.jpeg_quality is not None:
            return FolderWriter(self.root, places(self.images), self.suite.jpeg_quality)
        shape = pixels.clean(self.images.read(0)).shape
        return ArrayWriter(self.root, list(dict(cells)), self.suite.severities, self.images.labels, shape)


def _settings(manifest: Manifest) -> dict[str, Any]:
    return manifest.model_dump(mode="json", exclude={"cells"})


def _in_order(cells: Sequence[Cell]) -> list[Cell]:
    order = list(CORRUPTIONS)
    return sorted(cells, key=lambda cell: (order.index(cell[0]), cell[1]))


def _refuse_to_overwrite(targets: Sequence[Path]) -> None:
    if there := [target for target in targets if target.exists()]:
        raise DataError(f"{there[0]} is there already and no manifest says how it was made; choose another folder")
