"""Files are written whole or not at all."""

import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


def atomic_write(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Writes a temporary file beside ``path`` and renames it, so that no reader ever sees half a file.

    Args:
        path: where the file goes; its folder is made if missing.
        content: the bytes.
        durable: also wait until the disk has them (for the few files that say what has been finished).

    Raises:
        OSError: the disk is full, the folder is read-only, ...: ``path`` is then as it was before.
    """
    with new_whole(path, durable=durable) as file:
        file.write(content)


@contextmanager
def new_whole(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """A file that appears under its name when its block ends, and not at all where the block fails.

    The temporary name depends on ``path`` alone: what a killed process left behind is overwritten by the next try.

    Args:
        path: where the file goes; its folder is made if missing.
        durable: also wait until the disk has it.

    Raises:
        OSError: as for ``atomic_write``.
    """
    temporary = path.with_name(f".{blake2b(os.fsencode(path.name), digest_size=8).hexdigest()}.tmp")
    try:
        with _opened(temporary) as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):  # what went wrong before is the news
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a full disk does not say where
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except FileNotFoundError:  # once for each folder; to ask before each file would take as long as to open it
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


Arrays = Mapping[str, NDArray[Any]]


def npz(arrays: Arrays) -> bytes:
    """Named arrays as the bytes of a compressed ``.npz`` file; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
