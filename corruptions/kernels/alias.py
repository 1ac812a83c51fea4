"""Discrete laws drawn from 32 bits a value: Walker's alias method (1977), exact in whole numbers.

A law over n outcomes (a power of two) is rounded to multiples of 2**-32. Outcomes are laid out in n columns of equal
area, each filled by its own outcome up to a threshold and by one other above it. The first bits of a draw pick the
column, the rest are compared with its threshold: one look into a table for each value. A table's entry is the
threshold, shifted left, and the other outcome below it.
"""

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import compiled

Words = NDArray[np.uint32]
Laws = NDArray[np.float64]

BITS = 32

CLIPPED = np.clip(np.arange(256 + 511) - 255, 0, 255).astype(np.uint8)
"""The sum of a grey level and a shift, by grey level + shift + 255."""


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


def shares(fraction: float) -> tuple[np.uint32, np.uint32]:
    """Below which word a value turns black, and below which it turns black or white.

    Args:
        fraction: of the values that do, 0..1; half of them each.
    """
    return np.uint32(round(fraction / 2 * (1 << BITS))), np.uint32(round(fraction * (1 << BITS)))


@compiled
def draw_levels(values, words, tables, out):  # type: ignore[no-untyped-def]
    """Each value replaced by a draw from the law of its grey level.

    Args:
        values: (n,), uint8.
        words: (n,), uniform.
        tables: (256, 256): grey level, outcome.
        out: (n,), uint8, written.
    """
    for x in range(values.size):
        word = words[x]
        own = word >> np.uint32(24)
        entry = tables[values[x], own]
        out[x] = np.uint8(own if word & np.uint32(0xFFFFFF) < entry >> np.uint32(8) else entry)


@compiled
def draw_shifts(values, words, table, out):  # type: ignore[no-untyped-def]
    """Each value plus a draw from one law, clipped to 0..255.

    Args:
        values: (n,), uint8.
        words: (n,), uniform.
        table: (512,): outcome i is a shift by i - 255.
        out: (n,), uint8, written.
    """
    for x in range(values.size):
        word = words[x]
        own = word >> np.uint32(23)
        entry = table[own]
        shift = own if word & np.uint32(0x7FFFFF) < entry >> np.uint32(9) else entry & np.uint32(511)
        out[x] = CLIPPED[np.uint32(values[x]) + shift]  # whether it is clipped, no branch could predict


@compiled
def salt_and_pepper(values, words, black, hit, out):  # type: ignore[no-untyped-def]
    """Values set to 0 or 255.

    Args:
        values: (n,), uint8.
        words: (n,), uniform.
        black: below it a word blackens.
        hit: below it and not below ``black`` it whitens.
        out: (n,), uint8, written.
    """
    for x in range(values.size):
        spoilt = np.uint8(0) if words[x] < black else np.uint8(255)
        out[x] = spoilt if words[x] < hit else values[x]
