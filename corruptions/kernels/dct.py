"""The transform of a JPEG there and back: libjpeg's islow (jfdctint, jidctint), its quantiser (jcdctmgr) in between.

Factors are in units of 2**-13.
"""

from typing import Any

from stormbench.corruptions.kernels.vectors import SHORT, SINGLE, WORD, Memory, Vector, alternating, loop, written

LANES = 16
"""Blocks that are transformed at once."""

NEAREST = 3 << 22
"""Added in single precision, and taken away again, it leaves the nearest whole number."""


def forward(x: Any) -> Any:
    """The transform of eight numbers in units of 2**-13; the first and the fifth without that factor."""
    s0, s1, s2, s3 = x[0] + x[7], x[1] + x[6], x[2] + x[5], x[3] + x[4]
    d0, d1, d2, d3 = x[0] - x[7], x[1] - x[6], x[2] - x[5], x[3] - x[4]
    e0, e1, e2, e3 = s0 + s3, s1 + s2, s1 - s2, s0 - s3
    a = (e2 + e3) * 4433
    z3, z4 = d3 + d1, d2 + d0
    z5 = (z3 + z4) * 9633
    z1, z2, z3, z4 = (d3 + d0) * -7373, (d2 + d1) * -20995, z3 * -16069 + z5, z4 * -3196 + z5
    odd = d0 * 12299 + z1 + z4, d1 * 25172 + z2 + z3, d2 * 16819 + z2 + z4, d3 * 2446 + z1 + z3
    return e0 + e1, odd[0], a + e3 * 6270, odd[1], e0 - e1, odd[2], a - e2 * 15137, odd[3]


def backward(x: Any, half: int) -> Any:
    """The inverse transform of eight numbers, in units of 2**-13, with ``half`` added to each for rounding."""
    a = (x[2] + x[6]) * 4433
    t2, t3 = a - x[6] * 15137, a + x[2] * 6270
    t0, t1 = ((x[0] + x[4]) << 13) + half, ((x[0] - x[4]) << 13) + half
    e0, e1, e2, e3 = t0 + t3, t1 + t2, t1 - t2, t0 - t3
    z3, z4 = x[7] + x[3], x[5] + x[1]
    z5 = (z3 + z4) * 9633
    z1, z2, z3, z4 = (x[7] + x[1]) * -7373, (x[5] + x[3]) * -20995, z3 * -16069 + z5, z4 * -3196 + z5
    o0, o1, o2, o3 = x[7] * 2446 + z1 + z3, x[5] * 16819 + z2 + z4, x[3] * 25172 + z2 + z3, x[1] * 12299 + z1 + z4
    return e0 + o3, e1 + o2, e2 + o1, e3 + o0, e3 - o0, e2 - o1, e1 - o2, e0 - o3


def scaled(x: Any, down: int, up: int) -> Any:
    """What ``forward`` gives, rounded to whole numbers: divided by 2**down, the two without the factor by 2**-up."""
    plain = [(each + (1 << -up - 1)) >> -up if up < 0 else each << up for each in (x[0], x[4])]
    rest = [(each + (1 << down - 1)) >> down for each in x]
    return [plain[0], *rest[1:4], plain[1], *rest[5:]]


def quantised(number: Vector, inverse: Vector, step: Vector) -> Vector:
    """The multiple of the step that a decoder sees."""
    level = number.of(SINGLE) * inverse + NEAREST - NEAREST
    return (level * step).of(WORD)


class _Blocks:
    """A plane and its coefficients: [horizontal frequency][row of a block][block], 16 bits each.

    Attributes:
        plane: bytes, [row of a block][block][8 columns].
        work: the coefficients.
        wide: LLVM's type of an address.
        count: of blocks, a multiple of ``LANES``.
    """

    def __init__(self, builder: Any, plane: Memory, work: Memory, count: Any) -> None:
        self.builder = builder
        self.plane = plane
        self.work = work
        self.wide = count.type
        self.count = count

    def times(self, number: Any, factor: int) -> Any:
        return self.builder.mul(number, self.wide(factor))

    def places(self, first: Any, blocks: int) -> list[Memory]:
        """Eight runs of coefficients, the next always ``blocks`` times ``count`` further."""
        return [self.work.at(first).at(self.times(self.count, 2 * blocks * k)) for k in range(8)]

    def words(self, chunk: Any) -> Memory:
        return self.plane.at(self.times(chunk, 8 * LANES))


@written
def there_and_back(builder: Any, memory: Memory, plane: Any, count: Any, work: Any, tables: Memory, table: Any) -> None:
    """Transforms a plane's blocks along rows and columns, quantises them, and transforms them back."""
    blocks = _Blocks(builder, memory.at(plane), memory.at(work), count)
    rows, chunks = (builder.udiv(count, count.type(size)) for size in (LANES // 8, LANES))
    with loop(builder, rows) as each:
        _rows_there(blocks, each.index)
    with loop(builder, count.type(8)) as frequency:
        where = tables.at(table).at(blocks.times(frequency.index, 32))
        inverses, steps = ([where.at(4 * k + 256 * kind).everywhere(LANES) for k in range(8)] for kind in range(2))
        with loop(builder, chunks) as each:
            first = builder.add(
                builder.mul(frequency.index, blocks.times(count, 16)), blocks.times(each.index, 2 * LANES)
            )
            _columns(blocks.places(first, 1), inverses, steps)
    with loop(builder, rows) as each:
        _rows_back(blocks, each.index)


def _rows_there(blocks: _Blocks, chunk: Any) -> None:
    """One row of each of ``LANES`` blocks: eight bytes are two words."""
    words = blocks.words(chunk).load(WORD, 2 * LANES)
    halves = (words.picked(range(half, 2 * LANES, 2)) for half in range(2))
    first, *rest = forward([(half >> bits) & 255 for half in halves for bits in (0, 8, 16, 24)])
    levels = scaled([first - 8 * 128, *rest], 11, 2)
    for place, level in zip(blocks.places(blocks.times(chunk, 2 * LANES), 8), levels, strict=True):
        place.store(level.of(SHORT))


def _columns(places: list[Memory], inverses: list[Vector], steps: list[Vector]) -> None:
    """One column of each of ``LANES`` blocks, there and back."""
    numbers = scaled(forward([place.load(SHORT, LANES).of(WORD) for place in places]), 15, -2)
    multiples = [quantised(*each) for each in zip(numbers, inverses, steps, strict=True)]
    for place, number in zip(places, backward(multiples, 1 << 10), strict=True):
        place.store((number >> 11).of(SHORT))


def _rows_back(blocks: _Blocks, chunk: Any) -> None:
    places = blocks.places(blocks.times(chunk, 2 * LANES), 8)
    numbers = backward([place.load(SHORT, LANES).of(WORD) for place in places], (128 << 18) + (1 << 17))
    p = [(number >> 18).clipped(0, 255) for number in numbers]
    left, right = (p[k] | (p[k + 1] << 8) | (p[k + 2] << 16) | (p[k + 3] << 24) for k in (0, 4))
    blocks.words(chunk).store(alternating(left, right))
