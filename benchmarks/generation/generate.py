"""Writes a set of corrupted images or of sequences: every image of a data set, in every cell of a suite."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stormbench.benchmarks.generation.builder import SetBuilder
from stormbench.benchmarks.suites.registry import SUITES, Suite
from stormbench.cells import Cell
from stormbench.corruptions import CORRUPTIONS
from stormbench.corruptions.perturbations import PERTURBATIONS
from stormbench.datasets import ImageSet, open_images
from stormbench.datasets.inspection import Inspection, decodable_images, inspect_images
from stormbench.datasets.on_disk.checking import check
from stormbench.datasets.on_disk.layouts import FOLDERS
from stormbench.datasets.on_disk.manifest import LISTS, Layout, Manifest, file_digest, list_path, read_manifest
from stormbench.datasets.on_disk.provenance import Provenance, read_provenance, signature, spelling
from stormbench.datasets.readers.folder import FolderImages
from stormbench.errors import DataError, InputError
from stormbench.execution.journal import Journal, refuse_changes
from stormbench.execution.parallel import Workers
from stormbench.execution.runner import Progress
from stormbench.versions import version_of

JOURNAL = ".unfinished"


_VERSIONS_OF = ("stormbench", "numpy", "scipy", "opencv-python", "Pillow")


def generate(
    source: str | Path | ImageSet,
    out: str | Path,
    suite: str | Suite = "imagenet-c",
    *,
    corruptions: Sequence[str] | None = None,
    severities: Sequence[int] | None = None,
    limit: int | None = None,
    seed: int = 0,
    workers: Workers = 0,
    skip_broken: bool = False,
    format: str | None = None,  # noqa: A002
    progress: Progress | None = None,
) -> Manifest:
    """Writes the set of a suite, and continues where an earlier try was interrupted.

    The bytes depend on nothing but the images, the suite, the seed and the format: not on the number of workers, nor
    on interruptions. Cells can be added to a finished set, and files that are missing in one are made again.

    Args:
        source: a data set, or where it is (``open_images``).
        out: folder for the set.
        suite: a suite or its name.
        corruptions: only these (perturbations, where the suite is one of sequences); others than the suite's may be
            named.
        severities: only these (levels, likewise).
        limit: only the first so many images.
        seed: of everything that is drawn.
        workers: number of worker processes, 0 works in this one; or a cluster.
        skip_broken: leave out images that cannot be decoded, and record which.
        format: ``folders`` as ImageNet-C (the default where the suite has a JPEG codec), ``npy`` as CIFAR-10-C (the
            default where it is lossless), ``png`` or ``webdataset``. PNG files and arrays hold what the codec leaves.
            Sequences are ``mp4`` as ImageNet-P, which is lossy, or ``npy`` as CIFAR-10-P.
        progress: called with the number of images done and the number of all.

    Returns:
        The manifest of the set, which lies in ``out`` too.

    Raises:
        SettingsChangedError: the set in ``out`` was made otherwise.
        StormbenchError: see ``stormbench.errors``; whatever was finished is kept.
    """
    suite = SUITES[suite] if isinstance(suite, str) else suite
    suite = suite.narrowed(corruptions, severities)
    images = open_images(source) if isinstance(source, str | Path) else source
    images = images if limit is None else images.subset(range(min(limit, len(images))))
    root = Path(out)
    _refuse_own_source(images, root)
    layout = _layout(format, suite)
    _refuse_links(root, layout, suite.cells)
    about = _look(source, images, root, workers)
    found = Inspection(about.fingerprint, about.broken)
    sound = decodable_images(images, found, skip_broken=skip_broken)
    wanted = _manifest(suite, sound, layout, seed=seed, about=about, images=images)
    return _Generation(SetBuilder(root, sound, wanted), about).go(workers, progress)


def _layout(name: str | None, suite: Suite) -> Layout:
    formats = suite.formats
    if name is not None and name not in formats:
        raise InputError(f"{suite.name} cannot be written as {name!r}; it can as {', '.join(formats)}")
    return formats[name or next(iter(formats))]


def _look(source: str | Path | ImageSet, images: ImageSet, root: Path, workers: Workers) -> Provenance:
    """What is in the source: from the note of an earlier run where no file has been touched since, else by decoding."""
    now, note = signature(images), read_provenance(root)
    if note is not None and now is not None and note.signature == now:
        return note
    found = inspect_images(images, workers=workers)
    return Provenance(source=spelling(source), signature=now, fingerprint=found.fingerprint, broken=found.broken)


def _manifest(
    suite: Suite, sound: ImageSet, layout: Layout, *, seed: int, about: Provenance, images: ImageSet
) -> Manifest:
    libraries = (*_VERSIONS_OF, *(["av"] if layout == "films" else []))
    return Manifest(
        layout=layout,
        suite=suite.name,
        scale=suite.scale,
        geometry=suite.geometry,
        jpeg_quality=suite.jpeg_quality,
        seed=seed,
        data=images.name,
        classes=list(images.classes),
        images=len(sound),
        fingerprint=about.fingerprint,
        skipped=[images.keys[index] for index in about.broken],
        keys=None if layout in ("folders", "png", "films") else list(sound.keys),
        severities=sorted({severity for _, severity in suite.cells}) if layout == "arrays" else None,
        versions={library: version_of(library) for library in libraries},
        cells=suite.cells,
        lists={},
    )


def _refuse_own_source(images: ImageSet, root: Path) -> None:
    if isinstance(images, FolderImages) and root.resolve().is_relative_to(images.root.resolve()):
        raise DataError(f"{root} is in the source {images.root}, whose classes would then be others; write elsewhere")


def _refuse_links(root: Path, layout: Layout, cells: Sequence[Cell]) -> None:
    for name in (LISTS, JOURNAL):
        if (root / name).is_symlink():
            raise DataError(f"{root / name} is a link, and the set would be written elsewhere; remove it")
    for cell in cells if layout in FOLDERS else ():
        place = Path(FOLDERS[layout](cell))
        for folder in (root / place.parts[0], root / place):
            if folder.is_symlink():
                raise DataError(f"{folder} is a link, and the set would be written elsewhere; remove it")


@dataclass(frozen=True)
class _Generation:
    """One call of ``generate``: what is there, what is wanted, and how to come from one to the other."""

    run: SetBuilder
    about: Provenance

    def go(self, workers: Workers, progress: Progress | None) -> Manifest:
        there = self._there()
        cells = self._missing_cells(there)
        if there is not None and not cells:
            return self._as_it_should_be(there, workers, progress)
        journal = Journal(self.run.root / JOURNAL, settings_of(self.run.recipe) | {"cells": cells})
        if not journal.folder.exists():
            _refuse_to_overwrite(self.run.writer(cells).targets(cells))
        with journal.open():
            there = self._there()  # another process may have finished before we had the lock
            if cells != self._missing_cells(there):
                raise DataError(f"another process has just written to {self.run.root}; try again")
            self.about.write(self.run.root)
            self.run.write(cells, journal, workers, progress)
            whole = self._whole(there, cells)
            whole.write(self.run.root)
            journal.remove()
        return whole

    def _there(self) -> Manifest | None:
        there = read_manifest(self.run.root)
        if there is not None:
            refuse_changes(settings_of(there), settings_of(self.run.recipe), where=str(self.run.root))
        return there

    def _missing_cells(self, there: Manifest | None) -> list[Cell]:
        return [cell for cell in self.run.recipe.cells if there is None or cell not in there.cells]

    def _whole(self, there: Manifest | None, cells: Sequence[Cell]) -> Manifest:
        lists = {} if there is None else there.lists
        new = {name: file_digest(list_path(self.run.root, name)) for name in self.run.writer(cells).lists(cells)}
        order = list(PERTURBATIONS if self.run.recipe.of_sequences else CORRUPTIONS)
        all_cells = [*(() if there is None else there.cells), *cells]
        all_cells.sort(key=lambda cell: (order.index(cell[0]), cell[1]))
        return self.run.recipe.model_copy(update={"cells": all_cells, "lists": dict(sorted((lists | new).items()))})

    def _as_it_should_be(self, there: Manifest, workers: Workers, progress: Progress | None) -> Manifest:
        """A finished set; files that have gone since are made again."""
        journal = Journal(self.run.root / JOURNAL, {})
        found = check(self.run.root, there, content=False)
        if found.damaged_lists:
            raise DataError(f"{list_path(self.run.root, found.damaged_lists[0])} is missing; remove the set")
        if found.bad or journal.covers(there.cells):
            with journal.lock():
                replace(self.run, recipe=there).mend(found.bad, workers, progress)
                if journal.covers(there.cells):  # killed when all was done but this
                    journal.remove()
        if self.about != read_provenance(self.run.root):
            self.about.write(self.run.root)
        return there


def settings_of(manifest: Manifest) -> dict[str, Any]:
    """What must not change while a set grows."""
    return manifest.model_dump(mode="json", exclude={"cells", "lists"})


def _refuse_to_overwrite(targets: Sequence[Path]) -> None:
    if there := [target for target in targets if target.exists()]:
        raise DataError(f"{there[0]} is there already and no manifest says how it was made; choose another folder")
