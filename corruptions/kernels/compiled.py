"""How kernels are compiled, and the tables that all of them start from."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np

logger = logging.getLogger(__name__)

_HOW: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def compiled(function: Callable[..., Any]) -> Any:
    """One thread, no lock held, compiled at the first call and kept on disk; IEEE arithmetic in the order written.

    Where numba can keep nothing (a read-only installation and no home), every process compiles for itself, and says so.
    """
    try:
        return numba.njit(cache=True, **_HOW)(function)
    except RuntimeError:
        _tell()
        return numba.njit(**_HOW)(function)


@cache
def _tell() -> None:
    logger.warning(
        "compiled kernels cannot be kept: neither the installation nor a home can be written to; let NUMBA_CACHE_DIR "
        "name a folder"
    )


inlined = numba.njit(inline="always", error_model="numpy")
"""For parts of kernels: compiled as if they were written where they are called, and nowhere else."""

UNIT = np.arange(256) / 255.0
"""value / 255 in double."""

UNIT32 = UNIT.astype(np.float32)
"""value / 255 rounded to single precision, where the reference works so."""


@inlined
def to_byte(value):  # type: ignore[no-untyped-def]
    """Clips to 0..1, scales to 0..255 and truncates: ``quantise`` for one number."""
    return np.uint8(np.int32(min(max(value, 0.0), 1.0) * 255.0))
