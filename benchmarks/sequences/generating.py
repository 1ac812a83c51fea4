"""Writes the sequences of a data set: films in ImageNet-P's layout, or arrays in CIFAR-10-P's."""

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.sequences.suites import SEQUENCE_SUITES, CellKey, SequenceSuite
from stormbench.benchmarks.shards import Journal, Shard, split, work_off
from stormbench.benchmarks.survey import Progress, sound_images, survey
from stormbench.corruptions import SCALES
from stormbench.corruptions.perturbations import PERTURBATIONS
from stormbench.corruptions.perturbations.video import encode
from stormbench.datasets import ImageSet, open_images
from stormbench.datasets.folder import FolderImages
from stormbench.datasets.released_sequences import cell_name, film_places
from stormbench.datasets.sequence_manifest import SequenceManifest
from stormbench.datasets.sequences import Pixels, SequencesOnTheFly
from stormbench.errors import DataError
from stormbench.files import write_whole

_JOURNAL = ".unfinished"
_IMAGES_A_SHARD = 8
_VERSIONS_OF = ("stormbench", "numpy", "scipy", "opencv-python", "Pillow")


class SequenceWriter(Protocol):
    """Puts sequences where a layout wants them; doing it again gives the same bytes again."""

    def targets(self) -> list[Path]:
        """What the cells will be kept in; it must not be there when a new set is begun."""

    def prepare(self) -> None:
        """Before any worker writes, also when an interrupted run continues."""

    def write(self, position: int, cell: CellKey, frames: Sequence[Pixels]) -> None:
        """Stores the sequence of the image at a position of the set."""

    def finish(self) -> None:
        """After the last shard."""


@dataclass(frozen=True)
class FilmWriter:
    """``<perturbation>/<class>/<name>.mp4``: H.264 with the reference's settings, so lossy.

    Attributes:
        root: where the set goes.
        cells: what is written.
        places: the path of each image's film below its cell's folder.
    """

    root: Path
    cells: Sequence[CellKey]
    places: Sequence[str] = field(repr=False)

    def targets(self) -> list[Path]:
        """The cells' folders."""
        return [self.root / cell_name(*cell) for cell in self.cells]

    def prepare(self) -> None:
        """Nothing: folders are made as files need them."""

    def write(self, position: int, cell: CellKey, frames: Sequence[Pixels]) -> None:
        """Encodes a film."""
        noise = PERTURBATIONS[cell[0]].reference == "first"
        write_whole(self.root / cell_name(*cell) / self.places[position], encode(frames, noise=noise))

    def finish(self) -> None:
        """Nothing: every film has its own name from the start."""


@dataclass(frozen=True)
class SequenceArrayWriter:
    """``<perturbation>.npy``, uint8 ``(N, frames, S, S, 3)``; lossless.

    The arrays fill up under temporary names and get their own when all rows are there. ``keys.txt`` says which row
    belongs to which image.

    Attributes:
        root: where the set goes.
        cells: what is written.
        shapes: of each cell's sequences.
        keys: of the images, in the order of the rows.
    """

    root: Path
    cells: Sequence[CellKey]
    shapes: Sequence[tuple[int, ...]]
    keys: Sequence[str] = field(repr=False)

    def targets(self) -> list[Path]:
        """The arrays."""
        return [self._final(cell) for cell in self.cells]

    def prepare(self) -> None:
        """Lays out the files that are not there yet, at their full size."""
        self.root.mkdir(parents=True, exist_ok=True)
        for cell, shape in zip(self.cells, self.shapes, strict=True):
            if not self._growing(cell).exists() and not self._final(cell).exists():
                new = self._growing(cell).with_suffix(".new")
                np.lib.format.open_memmap(new, "w+", np.uint8, (len(self.keys), *shape))
                new.replace(self._growing(cell))

    def write(self, position: int, cell: CellKey, frames: Sequence[Pixels]) -> None:
        """Writes one row and waits until the disk has it."""
        array = np.load(self._growing(cell), mmap_mode="r+")
        array[position] = np.stack(frames)
        array.flush()

    def finish(self) -> None:
        """Renames the arrays."""
        write_whole(self.root / "keys.txt", "".join(f"{key}\n" for key in self.keys).encode(errors="surrogateescape"))
        for cell in self.cells:
            if self._growing(cell).exists():
                self._growing(cell).replace(self._final(cell))

    def _final(self, cell: CellKey) -> Path:
        return self.root / f"{cell_name(*cell)}.npy"

    def _growing(self, cell: CellKey) -> Path:
        return self.root / f".{cell_name(*cell)}.part"


@dataclass(frozen=True)
class GenerateSequencesShard:
    """Decodes each image of a shard once, makes all its sequences and writes them; runs in a worker."""

    images: ImageSet
    pixels: SequencesOnTheFly
    cells: Sequence[CellKey]
    writer: SequenceWriter

    def __call__(self, shard: Shard) -> dict[str, NDArray[Any]]:
        """Returns nothing worth keeping: what was made lies in the set."""
        for index in range(shard.start, shard.stop):
            source, key = self.pixels.source(self.images, index), self.images.keys[index]
            for cell in self.cells:
                self.writer.write(index, cell, list(self.pixels.frames(source, *cell, key)))
        return {"images": np.array(len(shard))}


def generate_sequences(
    source: str | Path | ImageSet,
    out: str | Path,
    suite: str | SequenceSuite = "imagenet-p",
    *,
    lossless: bool = False,
    limit: int | None = None,
    seed: int = 0,
    workers: int = 0,
    skip_broken: bool = False,
    progress: Progress | None = None,
) -> tuple[int, int]:
    """Writes the sequences of a suite, and continues where an earlier try was interrupted.

    The bytes depend on nothing but the images, the suite and the seed: not on the number of workers, nor on
    interruptions.

    Args:
        source: a data set, or where it is (``open_images``).
        out: folder for the set.
        suite: a suite or its name.
        lossless: writes arrays also where the published set consists of films.
        limit: only the first so many images.
        seed: seed of all sequences.
        workers: number of worker processes; 0 works in this one.
        skip_broken: leave out images that cannot be decoded.
        progress: called with the number of images done and the number of all.

    Returns:
        How many images, and how many sequences of each, there are now.

    Raises:
        SettingsChangedError: an unfinished set in ``out`` was begun otherwise.
        StormbenchError: see ``stormbench.errors``; whatever was finished is kept.
    """
    suite = SEQUENCE_SUITES[suite] if isinstance(suite, str) else suite
    images = open_images(source) if isinstance(source, str | Path) else source
    images = images if limit is None else images.subset(range(min(limit, len(images))))
    root = Path(out)
    if isinstance(images, FolderImages) and root.resolve().is_relative_to(images.root.resolve()):
        raise DataError(f"{root} is in the source {images.root}, whose classes would then be others; write elsewhere")
    found = survey(images, workers=workers)
    sound = sound_images(images, found, skip_broken=skip_broken)
    film = suite.film and not lossless
    writer = _writer(root, suite, sound, film=film)
    manifest = SequenceManifest(
        suite=suite.name,
        scale=suite.scale,
        geometry=suite.geometry,
        film=film,
        seed=seed,
        data=images.name,
        images=len(sound),
        fingerprint=found.fingerprint,
        skipped=[images.keys[index] for index in found.broken],
        versions={lib: importlib.metadata.version(lib) for lib in (*_VERSIONS_OF, *(["av"] if film else []))},
        cells=suite.cells,
    )
    task = GenerateSequencesShard(sound, SequencesOnTheFly(suite.geometry, suite.scale, seed), suite.cells, writer)
    _write(task, Journal(root / _JOURNAL, manifest.model_dump(mode="json")), workers, progress)
    manifest.write(root)
    return len(sound), len(suite.cells)


def _writer(root: Path, suite: SequenceSuite, images: ImageSet, *, film: bool) -> SequenceWriter:
    if film:
        return FilmWriter(root, suite.cells, film_places(images))
    side = SCALES[suite.scale]
    shapes = [(suite.frames(name), side, side, 3) for name, _ in suite.cells]
    return SequenceArrayWriter(root, suite.cells, shapes, images.keys)


def _write(task: GenerateSequencesShard, journal: Journal, workers: int, progress: Progress | None) -> None:
    if not journal.folder.exists():
        for target in task.writer.targets():
            if target.exists():
                raise DataError(f"{target} is there already; choose another folder, or remove it")
    with journal.open():
        task.writer.prepare()
        shards = split(len(task.images), _IMAGES_A_SHARD)
        work_off(task, journal, shards, workers=workers, progress=progress)
        task.writer.finish()
    journal.remove()
