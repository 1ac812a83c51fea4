"""Records which shards of a run are finished, and under which settings."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from numpy.typing import NDArray

from stormbench.errors import ResultError, SettingsChangedError
from stormbench.execution.shards import Shard
from stormbench.files import Arrays, atomic_write, npz

# Of the files in a journal; a run that another format was begun in cannot be continued.
FORMAT = 1


class Journal:
    """A folder that remembers which shards of a run are finished, and with what settings the run was started.

    A record is written whole and flushed to the disk before its shard counts as finished, so a run that is killed at
    any moment continues where it was.

    Args:
        folder: where the journal lives while the run is unfinished.
        settings: everything that determines the run's outcome, as JSON values.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.settings = json.loads(json.dumps(settings)) | {"journal_format": FORMAT}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Takes the journal for this process, after checking that it is this run's.

        Raises:
            SettingsChangedError: the unfinished run in this folder has other settings; the message says which.
            ResultError: another process is at work on this run.
        """
        with self.lock():
            self._check_settings()
            yield

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other processes out; the system lets them in again when the owner dies.

        Raises:
            ResultError: another process is at work on this run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._refuse_links()
        lock = filelock.FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise ResultError(
                f"another process is at work on {self.folder}; wait for it or choose another name"
            ) from None
        with lock:
            yield

    def _refuse_links(self) -> None:
        lock = self.folder / "lock"
        if self.folder.is_symlink() or lock.is_symlink() or (lock.exists() and lock.stat().st_nlink > 1):
            raise ResultError(f"{self.folder} or its lock is a link to somewhere else; remove it")

    def covers(self, cells: Sequence[tuple[str, int]]) -> bool:
        """Whether this is the journal of a run whose cells are all among these."""
        try:
            begun = json.loads((self.folder / "settings.json").read_bytes())
        except FileNotFoundError:
            return self.folder.exists()
        return all(tuple(cell) in cells for cell in begun["cells"])

    def _check_settings(self) -> None:
        path = self.folder / "settings.json"
        if self.finished():
            refuse_changes(json.loads(path.read_text()), self.settings, where=str(self.folder))
        else:
            atomic_write(path, json.dumps(self.settings, indent=1).encode(), durable=True)

    def finished(self) -> set[int]:
        """The indices of the shards that are done."""
        return {int(path.stem.split("-")[1]) for path in self.folder.glob("shard-*.npz")}

    def has(self, index: int) -> bool:
        """Whether a shard is done."""
        return self._path(index).exists()

    def record(self, shard: Shard, arrays: Arrays) -> None:
        """Marks a shard as done and keeps its arrays."""
        atomic_write(self._path(shard.index), npz(arrays), durable=True)

    def read(self, index: int) -> dict[str, NDArray[Any]]:
        """The arrays of a finished shard."""
        with np.load(self._path(index), allow_pickle=False) as arrays:
            return dict(arrays)

    def remove(self) -> None:
        """Forgets the run: its outcome lies elsewhere now."""
        shutil.rmtree(self.folder)

    def _path(self, index: int) -> Path:
        return self.folder / f"shard-{index:07d}.npz"


def refuse_changes(then: Mapping[str, Any], now: Mapping[str, Any], *, where: str) -> None:
    """Compares the settings of a run with those it was started with.

    Raises:
        SettingsChangedError: they differ; the message names the first setting that does, and both values.
    """
    for name, before, after in _changes(then, now):
        raise SettingsChangedError(
            f"{where} was made with {name} {_short(before)}, this run has {_short(after)}; "
            "choose another name or output folder, or remove it"
        )


def _changes(then: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name in [*now, *(then.keys() - now.keys())]:
        before, after = then.get(name), now.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _changes(before, after, f"{prefix}{name}.")
        elif before != after:
            yield f"{prefix}{name}", before, after


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
