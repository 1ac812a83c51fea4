"""Corruptions at all severities on one page."""

from collections.abc import Iterable, Iterator
from math import ceil

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stormbench.cells import Pixels
from stormbench.corruptions.catalogue import CORRUPTIONS, IMAGENET_C, SEVERITIES, corrupt
from stormbench.randomness import stream

PAPER, INK, FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)
MARGIN, GAP, HEADER, LABEL = 24, 4, 34, 190


def contact_sheet(
    image: Pixels,
    names: Iterable[str] = IMAGENET_C,
    *,
    scale: str = "auto",
    seed: int = 0,
    tile: int = 224,
    blocks: int = 2,
) -> Pixels:
    """One row for each corruption: its name, the image as it was, and severities 1 to 5.

    Args:
        image: as ``corrupt`` takes it.
        names: which corruptions, in the order of the rows; the nineteen of ImageNet-C if not given.
        scale: severity table, as ``corrupt`` takes it.
        seed: of the random corruptions: the same seed gives the same sheet.
        tile: longest side of a shown image, pixels; the corruptions work on the image's own size, and pixels are
            repeated to enlarge it, so that they can be seen.
        blocks: how many columns of rows stand side by side.

    Returns:
        uint8 RGB array.

    Raises:
        InputError: as ``corrupt``.
    """
    names = list(names)
    height, width = (max(1, round(side * tile / max(image.shape[:2]))) for side in image.shape[:2])
    rows = ceil(len(names) / blocks)
    block_width = LABEL + (len(SEVERITIES) + 1) * (width + GAP)
    size = (2 * MARGIN + blocks * block_width + (blocks - 1) * MARGIN, 2 * MARGIN + HEADER + rows * (height + GAP))
    sheet = Image.new("RGB", size, PAPER)
    draw, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(18), ImageFont.load_default(14)
    resampling = Image.Resampling.NEAREST if width > image.shape[1] else Image.Resampling.LANCZOS
    for place, name in enumerate(names):
        block, row = divmod(place, rows)
        left, top = MARGIN + block * (block_width + MARGIN), MARGIN + HEADER + row * (height + GAP)
        if row == 0:
            _write_header(draw, font, left + LABEL, width + GAP)
        draw.text((left + LABEL - 12, top + height / 2), name.replace("_", " "), INK, font, anchor="rm")
        draw.text((left + LABEL - 12, top + height / 2 + 22), CORRUPTIONS[name].group, FAINT, small, anchor="rm")
        for column, picture in enumerate(_pictures(image, name, scale, seed)):
            shown = Image.fromarray(picture).resize((width, height), resampling)
            sheet.paste(shown, (left + LABEL + column * (width + GAP), top))
    return np.asarray(sheet)


def _write_header(
    draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, left: int, pitch: int
) -> None:
    for column, title in enumerate(("clean", *(f"severity {s}" for s in SEVERITIES))):
        draw.text((left + column * pitch + pitch / 2, MARGIN + HEADER - 8), title, INK, font, anchor="ms")


def _pictures(image: Pixels, name: str, scale: str, seed: int) -> Iterator[Pixels]:
    yield image
    for severity in SEVERITIES:
        yield corrupt(image, name, severity, scale=scale, rng=stream(seed, name, severity, "contact sheet"))
