"""Random numbers for the kernels, from raw bits or in the reference's own order."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.random import MT19937, SFC64, Generator, RandomState
from numpy.typing import NDArray

from stormbench.corruptions.kernels.uniform import choose, fill_unit
from stormbench.corruptions.kernels.words import raw_words
from stormbench.corruptions.kernels.ziggurat import fill_normal
from stormbench.errors import InputError

PIECE = 1 << 15
"""So many numbers are drawn at once: their raw words stay in the processor's cache."""

Shape = tuple[int, ...]
Field = NDArray[np.float64]


class Draws:
    """What kernels draw, whichever kind of generator the caller brought.

    With a legacy ``RandomState`` every draw is the call that the reference makes, so that pixels equal the
    reference's bit for bit. With a ``Generator`` the law is the same, and everything is made here from the raw bits of
    its bit generator: numpy keeps those stable (NEP 19), and they are the cheapest to get.

    Args:
        rng: a ``numpy.random.Generator`` or a legacy ``numpy.random.RandomState``.

    Raises:
        InputError: ``rng`` is neither.

    Attributes:
        replays: whether the reference's own calls are made.
    """

    def __init__(self, rng: Generator | RandomState) -> None:
        if not isinstance(rng, Generator | RandomState):
            raise InputError(f"rng must be a numpy.random.Generator or RandomState, got {type(rng).__name__}")
        self._legacy = rng if isinstance(rng, RandomState) else None
        self._bits = rng.bit_generator if isinstance(rng, Generator) else None
        self.replays = self._legacy is not None

    def words64(self, count: int) -> NDArray[np.uint64]:
        """Raw words of 64 bits; only where ``replays`` is false."""
        assert self._bits is not None
        if isinstance(self._bits, SFC64):
            return raw_words(self._bits, count)
        if isinstance(self._bits, MT19937):  # its raw words have 32 bits
            halves = np.asarray(self._bits.random_raw(2 * count), dtype=np.uint64).reshape(count, 2)
            return np.asarray(halves[:, 0] | halves[:, 1] << np.uint64(32))
        return np.asarray(self._bits.random_raw(count), dtype=np.uint64)

    def words32(self, count: int) -> NDArray[np.uint32]:
        """Raw words of 32 bits, low halves first; only where ``replays`` is false."""
        return self.words64((count + 1) // 2).astype("<u8", copy=False).view("<u4")[:count]

    def normal(self, mean: float, deviation: float, shape: Shape) -> Field:
        """Independent N(mean, deviation**2)."""
        if self._legacy is not None:
            return self._legacy.normal(mean, deviation, shape)
        out = np.empty(shape)
        rest = out.ravel()
        while rest.size:
            piece = rest[:PIECE]
            rest = rest[fill_normal(self.words64(piece.size), mean, deviation, piece) :]
        return out

    def normal_middle(self, mean: float, deviation: float, shape: tuple[int, int], kept: tuple[int, int]) -> Field:
        """The middle ``kept`` of a field of ``normal`` (where it is replayed, the whole field is drawn for it)."""
        if self._legacy is None:
            return self.normal(mean, deviation, kept)
        top, left = (shape[0] - kept[0]) // 2, (shape[1] - kept[1]) // 2
        return self._legacy.normal(mean, deviation, shape)[top : top + kept[0], left : left + kept[1]]

    def poisson(self, rates: Field) -> NDArray[np.int64]:
        """One count for each rate; only where ``replays`` is true."""
        assert self._legacy is not None
        return self._legacy.poisson(rates)

    def unit(self, count: int) -> Field:
        """Independent and uniform in 0..1, in steps of 2**-32 where they are our own."""
        if self._legacy is not None:
            return self._legacy.random_sample(count)
        return self.uniform(0.0, 1.0, (count,))

    def units(self, counts: Sequence[int]) -> list[Field]:
        """What one call of ``unit`` after the other gives, at once: small draws cost more to ask for than to make."""
        if self._legacy is not None:
            widths, values = counts, self._legacy.random_sample(sum(counts))
        else:
            widths = [count + count % 2 for count in counts]  # a word of 64 bits is for one call
            values = self.unit(sum(widths))
        starts = accumulate(widths, initial=0)
        return [values[start : start + count] for start, count in zip(starts, counts, strict=False)]

    def uniform(self, low: float, high: float, shape: Shape) -> Field:
        """Independent and uniform between ``low`` and ``high``."""
        if self._legacy is not None:
            return self._legacy.uniform(low, high, shape)
        out = np.empty(shape)
        values = out.ravel()
        for start in range(0, values.size, PIECE):
            piece = values[start : start + PIECE]
            fill_unit(self.words32(piece.size), float(low), float(high - low), piece)
        return out

    def angle(self, low: float, high: float) -> float:
        """One number, uniform between ``low`` and ``high``."""
        return float(self.uniform(low, high, (1,))[0])

    def shifts(self, reach: int, count: int) -> NDArray[np.uint8]:
        """Pairs (dx, dy), each in -reach .. reach - 1, as (dx + reach) 2 reach + (dy + reach); reach up to 8."""
        out = np.empty(count, np.uint8)
        for start in range(0, count, PIECE):
            piece = out[start : start + PIECE]
            if self._legacy is None:
                choose(self.words32(piece.size), (2 * reach) ** 2, piece)
            else:
                pairs = self._legacy.randint(-reach, reach, (piece.size, 2)) + reach
                piece[:] = pairs[:, 0] * (2 * reach) + pairs[:, 1]
        return out

    def index(self, count: int) -> int:
        """One number, uniform in ``0 .. count - 1``."""
        if self._legacy is not None:
            return int(self._legacy.randint(count))
        return int(self.words64(1)[0]) * count >> 64

    def between(self, low: int, high: int) -> int:
        """One whole number, uniform in ``low .. high - 1``."""
        return low + self.index(high - low) if self._legacy is None else int(self._legacy.randint(low, high))

    def integers31(self, count: int) -> NDArray[np.int64]:
        """Whole numbers, uniform in ``0 .. 2**31 - 1``."""
        if self._legacy is not None:
            return self._legacy.randint(0, 1 << 31, count, dtype=np.int64)
        return (self.words32(count) >> np.uint32(1)).astype(np.int64)

    def signs(self, count: int) -> Field:
        """1 or -1, as likely."""
        ones = np.array([1.0, -1.0])
        if self._legacy is not None:
            return np.asarray(self._legacy.choice(ones, count))
        return ones[[self.index(2) for _ in range(count)]]

    def order(self, count: int) -> list[int]:
        """The numbers ``0 .. count - 1`` in any order, as likely."""
        if self._legacy is not None:
            return [int(place) for place in self._legacy.permutation(count)]
        left = list(range(count))
        return [left.pop(self.index(len(left))) for _ in range(count)]

    def child(self) -> "Draws":
        """A generator seeded by one draw where the reference makes one; otherwise this stream goes on."""
        if self._legacy is None:
            return self
        return Draws(RandomState(int(self._legacy.randint(0, 1 << 32, dtype=np.int64))))
