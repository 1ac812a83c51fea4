"""Raw words of numpy's SFC64 (Doty-Humphrey's small fast chaotic generator), in bulk."""

from typing import Any

import numpy as np
from numpy.random import SFC64
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import compiled

NOTHING = np.uint64(0)


def raw_words(bits: SFC64, count: int) -> NDArray[np.uint64]:
    """What ``bits.random_raw(count)`` gives, and leaves behind, in less than half of its time.

    Args:
        bits: moved on by ``count`` words.
        count: of words.
    """
    out = np.empty(count, np.uint64)
    with bits.lock:
        whole: Any = bits.state
        _fill(whole["state"]["state"], NOTHING, out)
        bits.state = whole
    return out


@compiled
def _fill(state, nothing, out):  # type: ignore[no-untyped-def]
    """A word is a + b + n; then n is counted up, and a, b, c become b ^ b >> 11, 9 c and (c rotated by 24) + word.

    ``nothing`` is 0: unknown to the compiler, it keeps the sums of one step apart from those of the next, which it
    would otherwise merge into longer ones.
    """
    a, b, c, n = state[0], state[1], state[2], state[3]
    for x in range(out.size):
        word = (a + b + n) ^ nothing
        n += np.uint64(1)
        a = b ^ (b >> np.uint64(11))
        b = c + (c << np.uint64(3))
        c = ((c << np.uint64(24)) | (c >> np.uint64(40))) + word
        out[x] = word
    state[0], state[1], state[2], state[3] = a, b, c, n
