"""The outcome of every single image of a run, and the ``.npz`` file that keeps it.

The file may come from a stranger: nothing is unpacked before its size is known, and nothing in it is executed.
"""

import hashlib
import io
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.results.plain_text import shown
from stormbench.errors import ResultError

# The outcomes of 75 cells on a million images take 0.5 GB before compression.
MAXIMAL_BYTES = 2**31
# What numpy and zipfile raise on bytes that are not what they should be; found by fuzzing.
_BROKEN = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, SyntaxError, MemoryError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)


@dataclass(frozen=True)
class Outcomes:
    """What the model said, image by image; ``cells`` in the order of the result's.

    Attributes:
        keys: each image's identity, shape ``(images,)``.
        labels: each image's class in the model's index space, shape ``(images,)``.
        prediction: the class the model put first, shape ``(cells, images)``.
        rank: how many classes the model put before the true one, shape ``(cells, images)``: 0 is right, 5 or more is
            wrong in the top 5.
    """

    keys: NDArray[np.str_]
    labels: NDArray[np.int64]
    prediction: NDArray[np.int32]
    rank: NDArray[np.uint16]

    def departure(self, images: int, classes: int, cells: int) -> str | None:
        """What is impossible about these outcomes, for a run of that size; None where nothing is."""
        shapes = {"keys": (images,), "labels": (images,), "prediction": (cells, images), "rank": (cells, images)}
        for name, shape in shapes.items():
            array: NDArray[Any] = getattr(self, name)
            if array.shape != shape or array.dtype.kind not in ("U" if name == "keys" else "iu"):
                return f"{name} has shape {array.shape} and type {array.dtype}, not shape {shape}"
        if len(np.unique(self.keys)) < images:
            return "two images have the same key"
        for name in ("labels", "prediction", "rank"):
            array = getattr(self, name)
            if array.size and not 0 <= int(array.min()) <= int(array.max()) < classes:
                return f"{name} must lie in 0..{classes - 1}, got {array.min()}..{array.max()}"
        if ((self.rank == 0) != (self.prediction == self.labels)).any():
            return "a rank contradicts its prediction: the true class has rank 0 exactly where it was predicted"
        return None


OUTCOME_ARRAYS = [field.name for field in fields(Outcomes)]


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
        content = beside.read_bytes()
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
