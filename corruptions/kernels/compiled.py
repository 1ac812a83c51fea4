"""How kernels are compiled, and the tables that all of them start from."""

import numba
import numpy as np

compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
"""One thread, no lock held, compiled at the first call and kept on disk; IEEE arithmetic in the order it is written."""

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
