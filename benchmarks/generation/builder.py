"""One set on its way to the disk: writes its cells, shard by shard, and makes single files of it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Cell
from stormbench.datasets import ImageSet
from stormbench.datasets.on_disk.manifest import Entry, Manifest, entry_of, file_digest, lines, list_path
from stormbench.datasets.on_disk.writer import Origin, Writer
from stormbench.datasets.on_disk.writers import writer_of
from stormbench.datasets.on_the_fly import OnTheFly, SequencesOnTheFly
from stormbench.errors import DataError
from stormbench.execution import parallel
from stormbench.execution.journal import Journal
from stormbench.execution.parallel import Workers
from stormbench.execution.runner import Progress, run_shards
from stormbench.execution.shards import Shard, split
from stormbench.execution.timing import spent_on
from stormbench.files import refuse_outside

_OTHER = "the images or the libraries are not those that the set was made with"


@dataclass(frozen=True)
class GenerateTask:
    """Decodes each image of a shard once, makes all its cells and writes them; runs in a worker.

    Attributes:
        images: the data set.
        pixels: makes the cells.
        cells: what to make.
        writer: where they go.
    """

    images: ImageSet
    pixels: OnTheFly | SequencesOnTheFly
    cells: Sequence[Cell]
    writer: Writer

    def __call__(self, shard: Shard) -> dict[str, NDArray[Any]]:
        """Returns ``lines``, those of all cells' lists as bytes, and ``ends``: where each cell's end in them."""
        rotated = tuple(shard.rotated(self.cells))
        made = dict(zip(rotated, self.make(Origin(shard.start, shard.stop, rotated)), strict=True))
        of_cells = [made[cell] for cell in self.cells]
        return {
            "lines": np.frombuffer(b"".join(of_cells), np.uint8),
            "ends": np.cumsum([len(part) for part in of_cells]),
        }

    def make(self, what: Origin) -> list[bytes]:
        """Writes some images in some cells; returns the lines of each cell's list."""
        with self.writer.batch(what.start, what.cells) as batch:
            for index in range(what.start, what.stop):
                with spent_on("decode"):
                    clean, key = self.pixels.clean(self.images.read(index)), self.images.keys[index]
                for cell in what.cells:
                    batch.write(index, cell, self.pixels.raw(clean, *cell, key))
        entries = batch.entries()
        return [lines(entries.get(cell, ())) for cell in what.cells]


def parts_of(arrays: dict[str, NDArray[Any]]) -> list[bytes]:
    """The lines of each cell's list in what ``GenerateTask`` returned."""
    content, ends = arrays["lines"].tobytes(), [0, *arrays["ends"].tolist()]
    return [content[start:stop] for start, stop in pairwise(ends)]


@dataclass(frozen=True)
class SetBuilder:
    """What is needed to make a set, or any file of it.

    Attributes:
        root: the set's folder.
        images: the sound images of its source.
        recipe: how it is made.
    """

    root: Path
    images: ImageSet
    recipe: Manifest

    def write(self, cells: Sequence[Cell], journal: Journal, workers: Workers, progress: Progress | None) -> None:
        """Writes the shards that the journal has not, and lists the files; the journal is open."""
        task = self._task(cells)
        task.writer.prepare()
        shards = split(len(self.images), task.writer.images_a_shard)
        run_shards(task, journal, shards, workers=workers, progress=progress)
        task.writer.finish(cells)
        task.writer.list_files(cells, (parts_of(journal.read(shard.index)) for shard in shards))

    def mend(self, bad: Sequence[Entry], workers: Workers, progress: Progress | None) -> None:
        """Makes some files of the set again.

        Args:
            bad: what these files should be.
            workers: number of worker processes, or a cluster.
            progress: called with the number of pieces of work done and the number of all.

        Raises:
            DataError: a path is none of this set, or a file did not come out as it was; it is then removed.
        """
        task = self._task(self.recipe.cells)
        pieces = self._pieces(task.writer, bad)
        for entry in bad:
            (self.root / entry.path).unlink(missing_ok=True)
        self._made(task, pieces, workers, progress)
        task.writer.finish(self.recipe.cells)
        self._refuse_others(bad)

    def relist(self, names: Sequence[str], workers: Workers, progress: Progress | None) -> None:
        """Makes some lists of files again, and with them all files that they list.

        Args:
            names: of the lists.
            workers: number of worker processes, or a cluster.
            progress: called with the number of pieces of work done and the number of all.

        Raises:
            DataError: a list did not come out as it was; it is then removed.
        """
        writer = self.writer(self.recipe.cells)
        cells = [cell for cell in self.recipe.cells if not set(names).isdisjoint(writer.lists([cell]))]
        task = self._task(cells)
        for target in task.writer.targets(cells):
            refuse_outside(self.root, target)
            if target.is_file():
                target.unlink()
        shards = split(len(self.images), writer.images_a_shard)
        pieces = [Origin(shard.start, shard.stop, tuple(cells)) for shard in shards]
        parts = self._made(task, pieces, workers, progress)
        task.writer.finish(cells)
        task.writer.list_files(cells, (parts[piece] for piece in pieces))
        for name in names:
            if file_digest(list_path(self.root, name)) != self.recipe.lists[name]:
                list_path(self.root, name).unlink()
                raise DataError(f"{list_path(self.root, name)} came out otherwise and was not kept; {_OTHER}")

    @staticmethod
    def _made(
        task: GenerateTask, pieces: Sequence[Origin], workers: Workers, progress: Progress | None
    ) -> dict[Origin, list[bytes]]:
        task.writer.prepare()
        parts: dict[Origin, list[bytes]] = {}
        for piece, part in parallel.run(task.make, pieces, workers=workers):
            parts[piece] = part
            if progress:
                progress(len(parts), len(pieces))
        return parts

    def _pieces(self, writer: Writer, bad: Sequence[Entry]) -> list[Origin]:
        """The work that makes these files, each image decoded once for all its cells."""
        cells: dict[tuple[int, int], list[Cell]] = {}
        for entry in bad:
            try:
                origin = writer.origin(entry.path)
            except KeyError:
                raise DataError(f"{entry.path!r} is listed in {self.root} but does not belong to such a set") from None
            if strangers := set(origin.cells) - set(self.recipe.cells):
                raise DataError(f"{entry.path!r} is listed in {self.root}, which has no cell {min(strangers)[0]}")
            refuse_outside(self.root, (self.root / entry.path).parent)
            cells.setdefault((origin.start, origin.stop), []).extend(origin.cells)
        return [Origin(*images, tuple(of_them)) for images, of_them in sorted(cells.items())]

    def _refuse_others(self, bad: Sequence[Entry]) -> None:
        others = [entry.path for entry in bad if entry_of(self.root, entry.path) != entry]
        for path in others:
            (self.root / path).unlink()
        if others:
            raise DataError(
                f"{len(others)} of {len(bad)} files came out otherwise, such as {others[0]}, and were not kept; "
                f"{_OTHER}"
            )

    def _task(self, cells: Sequence[Cell]) -> GenerateTask:
        return GenerateTask(self.images, self._pixels, cells, self.writer(cells))

    @cached_property
    def _pixels(self) -> OnTheFly | SequencesOnTheFly:
        recipe = self.recipe
        if recipe.of_sequences:
            return SequencesOnTheFly(recipe.geometry, recipe.scale, recipe.seed)
        return OnTheFly(recipe.geometry, recipe.scale, recipe.jpeg_quality, recipe.seed)

    def writer(self, cells: Sequence[Cell]) -> Writer:
        """What writes some cells of this set."""
        return writer_of(self.root, self.images, self.recipe, cells)
