"""Normal numbers from raw bits (Marsaglia and Tsang 2000, doi:10.18637/jss.v005.i08).

Under the bell lie 256 layers of equal area. A word of 64 bits picks a layer and a place in it. A place under the next
layer's width is taken at once (99 in 100); one in the layer's corner or beyond its end is decided by further bits,
mixed from the same word; a refused word is skipped. So one word is one attempt.
"""

from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import compiled, inlined

LAYERS = 256
END, AREA = 3.6541528853610088, 0.00492867323399
"""Where the lowest layer turns into the tail, and the area of each layer, for exp(-x**2 / 2)."""


def _edges() -> NDArray[np.float64]:
    """Right edges of the layers from the lowest (with the tail's area) up to 0."""
    edges = [AREA / exp(-0.5 * END**2), END]
    while len(edges) < LAYERS:
        edges.append(sqrt(-2 * log(AREA / edges[-1] + exp(-0.5 * edges[-1] ** 2))))
    return np.array([*edges, 0.0])


EDGES = _edges()
INNER = EDGES[1:] / EDGES[:-1]
BELL = np.exp(-0.5 * EDGES**2)


@inlined
def _mixed(word):  # type: ignore[no-untyped-def]
    """The next word of splitmix64."""
    word += np.uint64(0x9E3779B97F4A7C15)
    z = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word, z ^ (z >> np.uint64(31))


@inlined
def _unit(word):  # type: ignore[no-untyped-def]
    """53 bits as a number above 0 and up to 1."""
    return (np.float64(word >> np.uint64(11)) + 1.0) * 2.0**-53


@inlined
def _at_edge(word, layer, place):  # type: ignore[no-untyped-def]
    """The number that a word beyond the inner part of its layer stands for: 0.0 where it is refused."""
    word, bits = _mixed(word)
    if layer > 0:
        x = place * EDGES[layer]
        low, high = BELL[layer], BELL[layer + 1]
        return x if low + _unit(bits) * (high - low) < np.exp(-0.5 * x * x) else 0.0
    while True:  # the tail, by Marsaglia's method of 1964
        beyond = -np.log(_unit(bits)) / END
        word, bits = _mixed(word)
        height = -np.log(_unit(bits))
        if height + height >= beyond * beyond:
            return END + beyond if place > 0 else -END - beyond
        word, bits = _mixed(word)


@compiled
def fill_normal(words, mean, deviation, out):  # type: ignore[no-untyped-def]
    """Writes as many numbers as the words give and returns how many.

    Args:
        words: uint64, independent and uniform, no more of them than ``out`` has places.
        mean: of the numbers.
        deviation: of the numbers.
        out: float64.
    """
    count = 0
    for word in words:
        layer = np.int64(word & np.uint64(LAYERS - 1))
        place = np.float64(np.int64(word) >> 11) * 2.0**-52
        x = place * EDGES[layer]
        if abs(place) >= INNER[layer]:
            x = _at_edge(word, layer, place)
            if x == 0.0:
                continue
        out[count] = mean + deviation * x
        count += 1
    return count
