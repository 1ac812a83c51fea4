"""RGB to the planes of a JPEG and back: libjpeg's colours (jccolor, jdcolor) and its chroma of half size.

Means of 2 x 2 are as in jcsample, fancy upsampling is as in jdsample; factors are in units of 2**-16. ``planes`` is
the memory laid out in roundtrip.py; whole numbers that name a row are the byte at which it begins.
"""

from typing import Any

from stormbench.corruptions.kernels.vectors import BYTE, SHORT, WORD, Memory, alternating, joined, loop, written


def ycc(r: Any, g: Any, b: Any) -> Any:
    """RGB to Y, Cb and Cr."""
    return (
        (r * 19595 + g * 38470 + b * 7471 + 32768) >> 16,
        (b * 32768 - r * 11059 - g * 21709 + 8421375) >> 16,
        (r * 32768 - g * 27439 - b * 5329 + 8421375) >> 16,
    )


def rgb(y: Any, blue: Any, red: Any) -> Any:
    """Y, Cb and Cr to RGB, not yet clipped."""
    return (
        y + ((red * 91881 - (128 * 91881 - 32768)) >> 16),
        y + ((blue * -22554 - red * 46802 + (128 * (22554 + 46802) + 32768)) >> 16),
        y + ((blue * 116130 - (128 * 116130 - 32768)) >> 16),
    )


@written
def copy(builder: Any, memory: Memory, old: Any, new: Any, count: Any) -> None:
    """Copies bytes of a memory inside it, eight at a time."""
    with loop(builder, builder.udiv(count, count.type(8))) as each:
        place = builder.mul(each.index, count.type(8))
        memory.at(new).at(place).store(memory.at(old).at(place).load(BYTE, 8))


@written
def to_planes(
    builder: Any,
    image: Memory,
    top: Any,
    bottom: Any,
    planes: Memory,
    luma: Any,
    row: Any,
    blue: Any,
    red: Any,
    count: Any,
) -> None:
    """Two rows of 16 ``count`` pixels: two of luma, ``row`` apart, and one of either chroma, the means of 2 x 2.

    The means are rounded down and up by turns.
    """
    with loop(builder, count) as each:
        small, large, triple = (builder.mul(each.index, count.type(size)) for size in (8, 16, 48))
        lines = []
        for k, line in enumerate((top, bottom)):
            colours = image.at(line).at(triple).load(BYTE, 48)
            y, *chroma = ycc(*(colours.picked(range(channel, 48, 3)).of(WORD) for channel in range(3)))
            place = planes.at(luma).at(large)
            (place.at(row) if k else place).store(y.of(BYTE))
            lines.append(chroma)
        for plane, upper, lower in zip((blue, red), *lines, strict=True):
            total = upper + lower
            mean = (total.picked(range(0, 16, 2)) + total.picked(range(1, 16, 2)) + [1, 2, 1, 2, 1, 2, 1, 2]) >> 2
            planes.at(plane).at(small).store(mean.of(BYTE))


@written
def to_pixels(
    builder: Any,
    planes: Memory,
    luma: Any,
    near_blue: Any,
    far_blue: Any,
    near_red: Any,
    far_red: Any,
    sums: Any,
    columns: Any,
    count: Any,
    out: Memory,
    row: Any,
) -> None:
    """A row of 16 ``count`` pixels: chroma is 3/4 of the nearest row and 1/4 of the next, and so along the row.

    Beyond the ends of the ``columns`` of chroma lies the last of them again.
    """
    wide = count.type
    size = builder.add(builder.mul(count, wide(16)), wide(4))
    lines = planes.at(sums), planes.at(sums).at(size)
    for line, near, far in zip(lines, (near_blue, near_red), (far_blue, far_red), strict=True):
        with loop(builder, count) as each:
            place = builder.mul(each.index, wide(8))
            total = planes.at(near).at(place).load(BYTE, 8).of(WORD) * 3 + planes.at(far).at(place).load(BYTE, 8).of(
                WORD
            )
            line.at(2).at(builder.mul(place, wide(2))).store(total.of(SHORT))
        line.store(line.at(2).load(SHORT, 1))
        end = line.at(builder.mul(columns, wide(2)))
        end.at(2).store(end.load(SHORT, 1))
    with loop(builder, count) as each:
        large, triple = builder.mul(each.index, wide(16)), builder.mul(each.index, wide(48))
        chroma = []
        for line in lines:
            before, here, after = (line.at(large).at(2 * k).load(SHORT, 8).of(WORD) for k in range(3))
            chroma.append(alternating((here * 3 + before + 8) >> 4, (here * 3 + after + 7) >> 4))
        y = planes.at(luma).at(large).load(BYTE, 16).of(WORD)
        r, g, b = (channel.clipped(0, 255).of(BYTE) for channel in rgb(y, *chroma))
        mixed = joined(joined(r, g), joined(b, b)).picked([16 * channel + x for x in range(16) for channel in range(3)])
        out.at(row).at(triple).store(mixed)
