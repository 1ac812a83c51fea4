"""Verifies a generated set against its manifest, and makes again what is not as it should be."""

from pathlib import Path

from stormbench.benchmarks.generation.builder import SetBuilder
from stormbench.benchmarks.generation.generate import JOURNAL
from stormbench.datasets import ImageSet, open_images
from stormbench.datasets.on_disk.checking import Findings, check
from stormbench.datasets.on_disk.manifest import Manifest, read_manifest
from stormbench.datasets.on_disk.provenance import read_provenance
from stormbench.errors import DataError
from stormbench.execution.journal import Journal
from stormbench.execution.parallel import Workers
from stormbench.execution.runner import Progress


def verify_set(
    root: Path, *, sample: float = 1.0, seed: int | None = None, workers: Workers = 0, progress: Progress | None = None
) -> Findings:
    """Holds a set against its manifest, without ever loading the lists of its files whole.

    Args:
        root: the set's folder.
        sample: share of the files to look at, in 0..1; below 1 extra files are not searched for.
        seed: of the sample; by default nobody knows it.
        workers: number of worker processes, or a cluster.
        progress: called with the number of lists done and the number of all.

    Raises:
        DataError: this is no generated set, or a run that writes to it is unfinished.
    """
    return check(root, _manifest(root), sample=sample, seed=seed, workers=workers, progress=progress)


def repair_set(
    root: Path,
    found: Findings,
    *,
    source: str | None = None,
    workers: Workers = 0,
    progress: Progress | None = None,
) -> int:
    """Makes missing and changed files again, exactly these, to the same bytes; what is extra is left alone.

    Args:
        root: the set's folder.
        found: what is wrong with it.
        source: where its images are; by default where they were when it was made.
        workers: number of worker processes, or a cluster.
        progress: called with the number of pieces of work done and the number of all.

    Returns:
        How many files were made again. A damaged list takes its files with it.

    Raises:
        DataError: the source is not known or has other images, a file did not come out as it was, ...
        ResultError: another process is at work on the set.
    """
    manifest, before = _manifest(root), len(found.bad)
    run = SetBuilder(root, _source(root, manifest, source), manifest)
    journal = Journal(root / JOURNAL, {})
    with journal.lock():
        if found.damaged_lists:
            run.relist(found.damaged_lists, workers, progress)
        if found.bad:
            run.mend(found.bad, workers, progress)
        journal.remove()
    return before + len(found.damaged_lists)


def _manifest(root: Path) -> Manifest:
    manifest = read_manifest(root)
    if Journal(root / JOURNAL, {}).folder.exists():
        raise DataError(f"{root} is unfinished; the same `stormbench generate` again continues it")
    if manifest is None:
        raise DataError(f"{root} has no manifest; only sets that `stormbench generate` wrote can be verified")
    return manifest


def _source(root: Path, manifest: Manifest, source: str | None) -> ImageSet:
    """The images that the set was made of, as far as their number and names tell; the files' digests tell the rest."""
    note = read_provenance(root)
    source = source or (note.source if note else None)
    if source is None:
        raise DataError(f"nothing says where the images of {root} are; give --source")
    images, skipped = open_images(source), set(manifest.skipped)
    first = images.subset(range(min(manifest.images + len(skipped), len(images))))
    sound = first.subset([index for index, key in enumerate(first.keys) if key not in skipped])
    if len(sound) != manifest.images or list(images.classes) != manifest.classes:
        raise DataError(f"{root} was made of {manifest.images} images of {manifest.data}, {source} has other ones")
    return sound
