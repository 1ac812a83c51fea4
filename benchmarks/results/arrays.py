"""Reads `.npz` files of outcomes that may come from strangers."""

import hashlib
import io
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.results.plain_text import shown
from stormbench.errors import ResultError
from stormbench.files import read_regular

# The outcomes of 75 cells on a million images take 0.5 GB before compression.
MAXIMAL_BYTES = 2**31


# What numpy and zipfile raise on bytes that are not what they should be; found by fuzzing.
_BROKEN = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, SyntaxError, MemoryError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)


def sealed_content(beside: Path, path: Path, digest: str) -> bytes:
    """The bytes of a file of outcomes.

    Args:
        beside: the file.
        path: the result that it belongs to.
        digest: that the result names.

    Raises:
        ResultError: it is missing, or is not the file that the result names.
    """
    try:
        content = read_regular(beside, MAXIMAL_BYTES)
    except (OSError, ValueError) as error:
        raise ResultError(f"cannot read the outcomes {beside} of {path}: {error}") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise ResultError(f"{beside} is not the file that {path} was written with (its digest differs)")
    return content


def arrays_from(content: bytes, names: Sequence[str], where: str) -> dict[str, NDArray[Any]]:
    """Reads the arrays of an ``.npz`` file that may come from a stranger.

    Args:
        content: the bytes of the file.
        names: of all its arrays.
        where: what to call the file in an error.

    Raises:
        ResultError: it is no ``.npz`` file, holds other arrays or objects, or unpacks to more than is sensible.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
            found = sorted(member.filename.removesuffix(".npy") for member in archive.infolist())
        if found != sorted(names):
            listed = shown(", ".join(found), longest=80)
            raise ResultError(f"{where} holds the arrays {listed}, not {', '.join(sorted(names))}")
        if size > MAXIMAL_BYTES:
            raise ResultError(f"{where} unpacks to {size} bytes; at most {MAXIMAL_BYTES} are read")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)
    except _BROKEN as error:
        raise ResultError(f"cannot read the outcomes {where}: {type(error).__name__}: {shown(str(error))}") from None
