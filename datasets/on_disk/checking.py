"""A set on disk, held against its manifest."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stormbench.datasets.on_disk.layouts import FOLDERS, cell_list
from stormbench.datasets.on_disk.manifest import FILE, LISTS, Entry, Manifest, file_digest, list_path, read_list
from stormbench.datasets.on_disk.provenance import SOURCE
from stormbench.execution import parallel
from stormbench.execution.parallel import Workers


@dataclass
class Findings:
    """What is wrong with a set.

    Attributes:
        checked: how many files were looked at.
        missing: files that are not there.
        changed: files whose bytes are others.
        extra: paths that the manifest does not know.
        damaged_lists: names of lists of files that are missing or changed; what they list was not looked at.
    """

    checked: int = 0
    missing: list[Entry] = field(default_factory=list)
    changed: list[Entry] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    damaged_lists: list[str] = field(default_factory=list)

    @property
    def bad(self) -> list[Entry]:
        """Files that have to be made again."""
        return [*self.missing, *self.changed]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.bad or self.extra or self.damaged_lists)

    def add(self, more: "Findings") -> None:
        """Takes what was found elsewhere in the set."""
        self.checked += more.checked
        self.missing.extend(more.missing)
        self.changed.extend(more.changed)
        self.extra.extend(more.extra)
        self.damaged_lists.extend(more.damaged_lists)


@dataclass(frozen=True)
class _CheckList:
    """Checks the files of one list; runs in a worker. It holds the names of one list at a time, nothing else.

    Attributes:
        root: the set.
        manifest: of the set.
        content: read the files; otherwise their sizes have to do.
        sample: share of the files to look at, in 0..1; below 1 extra files are not searched for.
        seed: of the sample.
    """

    root: Path
    manifest: Manifest
    content: bool
    sample: float
    seed: int

    def __call__(self, name: str) -> Findings:
        found = Findings()
        path = list_path(self.root, name)
        if path.is_symlink() or not path.is_file() or self._is_changed(path, name):
            found.damaged_lists.append(name)
            return found
        listed = set()
        for entry in self._sampled(name):
            found.checked += 1
            listed.add(entry.path)
            if (wrong := self._wrong(entry)) is not None:
                (found.missing if wrong == "missing" else found.changed).append(entry)
        if self.content and self.sample >= 1:
            folder = dict(_folders(self.manifest)).get(name)
            found.extra.extend(path for path in (_walk(self.root, folder) if folder else ()) if path not in listed)
        return found

    def _is_changed(self, path: Path, name: str) -> bool:
        return self.content and file_digest(path) != self.manifest.lists[name]

    def _sampled(self, name: str) -> Iterator[Entry]:
        entries = read_list(self.root, name)
        if self.sample >= 1:
            return entries
        rng = np.random.default_rng([self.seed, *name.encode()])
        return (entry for entry in entries if rng.random() < self.sample)

    def _wrong(self, entry: Entry) -> str | None:
        path = self.root / entry.path
        try:
            about = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return "missing"
        if not stat.S_ISREG(about.st_mode) or about.st_size != entry.size:
            return "changed"
        return "changed" if self.content and file_digest(path) != entry.digest else None


def check(
    root: Path,
    manifest: Manifest,
    *,
    content: bool = True,
    sample: float = 1.0,
    seed: int | None = None,
    workers: Workers = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Findings:
    """Holds a set against its manifest.

    Args:
        root: the set's folder.
        manifest: the one that lies in it.
        content: read the files and search for extra ones; otherwise only look whether they are there, in their size.
        sample: share of the files to look at, in 0..1; below 1 extra files are not searched for.
        seed: of the sample; by default nobody knows it.
        workers: number of worker processes.
        progress: called with the number of lists done and the number of all.

    Raises:
        DataError: a list of files is not what it should be.
    """
    task = _CheckList(root, manifest, content, sample, int(np.random.default_rng(seed).integers(2**63)))
    found = Findings()
    for done, (_, of_list) in enumerate(parallel.run(task, list(manifest.lists), workers=workers), 1):
        found.add(of_list)
        if progress:
            progress(done, len(manifest.lists))
    if content and sample >= 1:
        found.extra.extend(_strays(root, manifest))
    for paths in (found.missing, found.changed, found.extra):
        paths.sort()
    return found


def _folders(manifest: Manifest) -> list[tuple[str, str]]:
    """The lists whose files have a folder for themselves, and these folders."""
    if manifest.layout not in FOLDERS:
        return []
    return [(cell_list(cell), FOLDERS[manifest.layout](cell)) for cell in manifest.cells]


def _strays(root: Path, manifest: Manifest) -> Iterator[str]:
    """What lies in the set, but outside of its folders, and does not belong there."""
    known = {FILE, SOURCE, *(f"{LISTS}/{name}.jsonl" for name in manifest.lists)}
    if manifest.layout not in FOLDERS:
        known |= {f"{name}.npy" for name in manifest.lists}
    return (path for path in _walk(root, "", [folder for _, folder in _folders(manifest)]) if path not in known)


def _walk(root: Path, folder: str, without: Sequence[str] = ()) -> Iterator[str]:
    """All files below a folder of the set, and links, which are not followed."""
    for above, folders, files in os.walk(root / folder):
        inside = Path(above).relative_to(root)
        links = [name for name in folders if (Path(above) / name).is_symlink()]
        folders[:] = [name for name in folders if name not in links and (inside / name).as_posix() not in without]
        yield from ((inside / name).as_posix() for name in (*files, *links))
