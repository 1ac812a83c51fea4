"""Files are read only where they are regular and not too large, and written whole or not at all."""

import errno
import fcntl
import hashlib
import io
import os
import secrets
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from stormbench.errors import DataError, ModelError

_LONGEST_NAME = 200  # 255 bytes are common, of which endings and temporary names need some

Arrays = Mapping[str, NDArray[Any]]


def read_regular(path: Path, at_most: int) -> bytes:
    """Reads a regular file of bounded size; a pipe, a device or a file of terabytes neither hangs nor fills memory.

    Args:
        path: the file; links are followed.
        at_most: its largest size, in bytes.

    Raises:
        OSError: there is no such file, it is no regular file, or it is larger; ``strerror`` says which.
    """
    with open_regular(path, at_most) as file:
        return file.read(at_most)


def open_regular(path: Path, at_most: int) -> io.BufferedReader:
    """Opens a regular file of bounded size for reading.

    Args:
        path: the file; links are followed.
        at_most: its largest size, in bytes.

    Raises:
        OSError: as for ``read_regular``.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe without a writer would block
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        if about.st_size > at_most:
            raise OSError(errno.EFBIG, f"it has {about.st_size} bytes, more than {at_most}", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def start_of(path: Path, kind: str) -> bytes:
    """The first 512 bytes of a file of weights, of whatever size.

    Args:
        path: the file.
        kind: what it should be, for messages: ``checkpoint``.

    Raises:
        ModelError: there is no such file, it is no regular file, or it cannot be read; the message says which.
    """
    try:
        with open_regular(path, sys.maxsize) as file:
            return file.read(512)
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(f"there is no {kind} {path}") from None
    except OSError as error:
        what = "it is a folder" if path.is_dir() else error.strerror
        raise ModelError(f"cannot read {path}: {what}; expected a {kind} file") from None


def open_in_place(path: Path) -> io.BufferedRandom:
    """Opens a regular file that is there for writing in place, and no file that has another name elsewhere.

    Raises:
        OSError: there is no such file, or it is a link or a hard link of another.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file of its own", str(path))
    return os.fdopen(descriptor, "r+b")


def is_plain_name(name: str) -> bool:
    """Whether a text can be the name of a file and its companions, and is no path.

    Example:
        >>> [is_plain_name(name) for name in ("resnet50.val", "../x", "..", "a/b", "x" * 201)]
        [True, False, False, False, False]
    """
    return name not in ("", ".", "..") and not set("/\\\0") & set(name) and len(os.fsencode(name)) <= _LONGEST_NAME


def refuse_outside(root: Path, folder: Path) -> None:
    """Refuses to write through links that lead out of a folder.

    Args:
        root: the folder that everything is written below.
        folder: somewhere below it; need not be there yet.

    Raises:
        DataError: the folder lies elsewhere.
    """
    if not folder.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{folder} leads out of {root} through a link; remove the link")


# For writers of many files: looks at each folder once a process.
refuse_outside_once = lru_cache(4096)(refuse_outside)


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

    Every writer has a temporary file for itself: the usual one, whose name depends on ``path`` alone, so that what a
    killed process left behind is overwritten by the next try; or, while another process writes that, one of its own.

    Args:
        path: where the file goes; its folder is made if missing. A link under this name is replaced, not followed.
        durable: also wait until the disk has it.

    Raises:
        OSError: as for ``atomic_write``.
    """
    temporary = None
    try:
        temporary, file = _temporary(path)
        with file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            temporary.replace(path)  # while the file is locked: nobody else can have taken it
    except BaseException as error:
        if temporary is not None:
            with suppress(OSError):  # what went wrong before is the news
                temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a full disk does not say where
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def _temporary(path: Path) -> tuple[Path, BinaryIO]:
    digest = blake2b(os.fsencode(path.name), digest_size=8).hexdigest()
    usual = path.with_name(f".{digest}.tmp")
    if (descriptor := _claimed(usual)) is not None:
        return usual, os.fdopen(descriptor, "wb")
    own = path.with_name(f".{digest}-{secrets.token_hex(8)}.tmp")
    return own, own.open("xb")


def _claimed(path: Path) -> int | None:
    """Opens a file that no other process is writing, and locks it; None where it cannot be had."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, 0o666)
    except FileNotFoundError:  # once for each folder; to ask before each file would take as long as to open it
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EISDIR):  # a link, a pipe, somebody else's
            return None
        raise
    with suppress(OSError):  # another process is writing it, or this file system has no locks
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_still(descriptor, os.lstat(path)):
            os.ftruncate(descriptor, 0)
            return descriptor
    os.close(descriptor)
    return None


def _is_still(descriptor: int, there: os.stat_result) -> bool:
    """Whether an open file is the regular one under its name (its writer may just have renamed it), and no other's."""
    ours = os.fstat(descriptor)
    return os.path.samestat(ours, there) and stat.S_ISREG(ours.st_mode) and ours.st_nlink == 1


def file_digest(path: Path) -> str:
    """SHA-256 of a regular file, which is never held whole."""
    with open_regular(path, sys.maxsize) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def npz(arrays: Arrays) -> bytes:
    """Named arrays as the bytes of a compressed ``.npz`` file; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
