"""Discrete laws drawn from 32 bits a value: Walker's alias method (1977), exact in whole numbers.

A law over n outcomes (a power of two) is rounded to multiples of 2**-32. Outcomes are laid out in n columns of equal
area, each filled by its own outcome up to a threshold and by one other above it. The first bits of a draw pick the
column, the rest are compared with its threshold: one look into a table for each value. A table's entry is the
threshold, shifted left, and the other outcome below it.
"""

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import compiled
from stormbench.corruptions.pixels import Pixels

Words = NDArray[np.uint32]
Laws = NDArray[np.float64]

BITS = 32


def alias_tables(laws: Laws) -> Words:
    """Tables for several laws over the same outcomes.

    Args:
        laws: (laws, outcomes), probabilities; the number of outcomes is a power of two.

    Returns:
        uint32 of the same shape.
    """
    tables = np.empty(laws.shape, np.uint32)
    units = _whole(laws)
    for law in range(len(laws)):
        _lay_out(units[law], (1 << BITS) // laws.shape[1], tables[law])
    return tables


def _whole(laws: Laws) -> NDArray[np.int64]:
    """Multiples of 2**-32: the sums from the first outcome on are rounded, so that those too are off by half a unit."""
    sums = np.cumsum(laws, axis=1)
    return np.asarray(np.diff(np.rint(sums / sums[:, -1:] * float(1 << BITS)).astype(np.int64), axis=1, prepend=0))


@compiled
def _lay_out(units, area, table):  # type: ignore[no-untyped-def]
    """Fills each scarce column from a rich one until none is scarce."""
    n = units.size
    scarce, rich = np.empty(n, np.int64), np.empty(n, np.int64)
    scarce_count = rich_count = 0
    for i in range(n):
        table[i] = i
        if units[i] < area:
            scarce[scarce_count] = i
            scarce_count += 1
        elif units[i] > area:
            rich[rich_count] = i
            rich_count += 1
    while scarce_count > 0:
        scarce_count -= 1
        poor, donor = scarce[scarce_count], rich[rich_count - 1]
        table[poor] = units[poor] * n + donor
        units[donor] -= area - units[poor]
        if units[donor] <= area:
            rich_count -= 1
            if units[donor] < area:
                scarce[scarce_count] = donor
                scarce_count += 1


def law_of(table: Words) -> Laws:
    """The law that a table draws, exactly.

    Args:
        table: (outcomes,) as ``alias_tables`` gives it.
    """
    area = (1 << BITS) // len(table)
    thresholds, others = table.astype(np.int64) // len(table), table.astype(np.int64) % len(table)
    own = np.where(others == np.arange(len(table)), area, thresholds)
    return np.asarray((own + np.bincount(others, area - own, len(table))) / (1 << BITS))


def draw_levels(image: Pixels, words: Words, tables: Words) -> Pixels:
    """Each value replaced by a draw from the law of its grey level.

    Args:
        image: any shape.
        words: uniform, one a value.
        tables: (256, 256): grey level, outcome.
    """
    out = np.empty_like(image)
    _draw_levels(image.ravel(), words, tables.ravel(), out.ravel())
    return out


def draw_shifts(image: Pixels, words: Words, table: Words) -> Pixels:
    """Each value plus a draw from one law, clipped to 0..255.

    Args:
        image: any shape.
        words: uniform, one a value.
        table: (512,): outcome i is a shift by i - 255.
    """
    out = np.empty_like(image)
    _draw_shifts(image.ravel(), words, table, out.ravel())
    return out


def salt_and_pepper(image: Pixels, words: Words, fraction: float) -> Pixels:
    """Values set to 0 or 255, with probability ``fraction`` / 2 each.

    Args:
        image: any shape.
        words: uniform, one a value.
        fraction: 0..1.
    """
    out = np.empty_like(image)
    black, hit = round(fraction / 2 * (1 << BITS)), round(fraction * (1 << BITS))
    _salt_and_pepper(image.ravel(), words, np.uint32(black), np.uint32(hit), out.ravel())
    return out


@compiled
def _draw_levels(image, words, tables, out):  # type: ignore[no-untyped-def]
    for x in range(image.size):
        word = words[x]
        own = word >> np.uint32(24)
        entry = tables[np.uint32(image[x]) << np.uint32(8) | own]
        out[x] = np.uint8(own if word & np.uint32(0xFFFFFF) < entry >> np.uint32(8) else entry)


@compiled
def _draw_shifts(image, words, table, out):  # type: ignore[no-untyped-def]
    for x in range(image.size):
        word = words[x]
        own = word >> np.uint32(23)
        entry = table[own]
        shift = own if word & np.uint32(0x7FFFFF) < entry >> np.uint32(9) else entry & np.uint32(511)
        out[x] = np.uint8(min(max(np.int32(image[x]) + np.int32(shift) - np.int32(255), np.int32(0)), np.int32(255)))


@compiled
def _salt_and_pepper(image, words, black, hit, out):  # type: ignore[no-untyped-def]
    for x in range(image.size):
        spoilt = np.uint8(0) if words[x] < black else np.uint8(255)
        out[x] = spoilt if words[x] < hit else image[x]
