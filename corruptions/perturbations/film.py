"""A sequence to look at: a film strip, a GIF or an MP4."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from math import ceil, sqrt
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stormbench.cells import Pixels
from stormbench.corruptions.perturbations.video import encode
from stormbench.errors import InputError
from stormbench.files import atomic_write

GAP, TITLE = 4, 30
PAPER, INK = (255, 255, 255), (20, 20, 20)
MILLISECONDS = 80


def film_strip(frames: Iterable[Pixels], *, title: str = "", columns: int | None = None) -> Pixels:
    """All frames on one sheet, row by row, each with its number.

    Args:
        frames: of one shape (H, W, 3), at least one.
        title: stands above them.
        columns: frames in a row; by default about as many as there are rows, and at least four.

    Returns:
        uint8 RGB array.
    """
    pictures = [Image.fromarray(frame) for frame in frames]
    columns = columns or min(len(pictures), max(4, ceil(sqrt(len(pictures)))))
    width, height = pictures[0].size
    size = (columns * (width + GAP) + GAP, ceil(len(pictures) / columns) * (height + GAP) + GAP + TITLE)
    sheet = Image.new("RGB", size, PAPER)
    draw, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(18), ImageFont.load_default(12)
    draw.text((GAP, TITLE / 2), title, INK, font, anchor="lm")
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        corner = (GAP + column * (width + GAP), TITLE + GAP + row * (height + GAP))
        sheet.paste(picture, corner)
        draw.text(corner, f" {number}", PAPER, small, stroke_width=1, stroke_fill=INK)
    return np.asarray(sheet)


def save_film(frames: Sequence[Pixels], path: Path, *, title: str = "") -> None:
    """Writes a sequence as its ending says: ``.gif`` or ``.mp4`` moves, ``.png``, ``.jpg`` and ``.webp`` are strips.

    A GIF runs there and back, so that nothing jumps, and has 256 colours.

    Args:
        frames: of one shape (H, W, 3), at least one.
        path: where it goes.
        title: of a strip.

    Raises:
        InputError: the ending is none of these.
        MissingDependencyError: ``.mp4`` without PyAV.
    """
    if path.suffix.lower() not in WRITERS:
        raise InputError(f"{path} names no format for a sequence; end it with {', '.join(WRITERS)}")
    atomic_write(path, WRITERS[path.suffix.lower()](frames, title))


def _gif(frames: Sequence[Pixels], title: str) -> bytes:  # noqa: ARG001
    first, *others = [Image.fromarray(frame) for frame in [*frames, *frames[-2:0:-1]]]
    file = BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=MILLISECONDS, loop=0)
    return file.getvalue()


def _mp4(frames: Sequence[Pixels], title: str) -> bytes:  # noqa: ARG001
    return encode(frames, noise=False, rate=1000 // MILLISECONDS)


def _strip(format_name: str) -> Callable[[Sequence[Pixels], str], bytes]:
    def write(frames: Sequence[Pixels], title: str) -> bytes:
        file = BytesIO()
        Image.fromarray(film_strip(frames, title=title)).save(file, format_name)
        return file.getvalue()

    return write


WRITERS: Mapping[str, Callable[[Sequence[Pixels], str], bytes]] = MappingProxyType(
    {".gif": _gif, ".mp4": _mp4, ".png": _strip("PNG"), ".jpg": _strip("JPEG"), ".webp": _strip("WEBP")}
)
