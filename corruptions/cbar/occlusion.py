"""What hides an image: stars, squares and lines (names and ``strength`` as in cbar/noise.py)."""

from math import cos, floor, pi, sin

import numpy as np

from stormbench.cells import Pixels
from stormbench.corruptions.cbar import rays
from stormbench.corruptions.cbar.noise import of_most
from stormbench.corruptions.cbar.squares import cut_out
from stormbench.corruptions.draws import Draws

STARS = 5


def sparkles(image: Pixels, draws: Draws, *, strength: float) -> Pixels:
    """Five white stars of 50 to 199 rays (cbar/rays.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: the centres, the numbers of rays and the rays' lengths.
        strength: rays are S / 10 long at 10, 1 pixel at least.
    """
    height, width = image.shape[:2]
    centres = draws.uniform(0.0, 1.0, (STARS, 2)) * (height, width)
    own = draws.child()
    counts = [draws.between(50, 200) for _ in range(STARS)]
    radius = of_most(strength, 0.1) * min(height, width)
    lengths = np.maximum(1.0, radius + 0.25 * radius * own.normal(0.0, 1.0, (sum(counts),)))
    out = np.empty_like(image)
    rays.add_stars(image, centres, lengths, np.cumsum([0, *counts]), out)
    return out


def inverse_sparkles(image: Pixels, draws: Draws, *, strength: float) -> Pixels:
    """All white but for what one star lights near the middle (cbar/rays.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: the centre, the number of rays and their lengths.
        strength: light falls with the distance to the power 2 * 0.13 strength; the rays are S / 4 long.
    """
    height, width = image.shape[:2]
    row, column = draws.uniform(0.25, 0.75, (2,)) * (height, width)
    own = draws.child()
    radius = 0.25 * min(height, width)
    lengths = radius + 0.25 * radius * own.normal(0.0, 1.0, (draws.between(50, 200),))
    exponent = (100.0 - (100.0 - of_most(strength, 65.0))) / 50.0
    out = np.empty_like(image)
    rays.keep_star(image, row, column, lengths, exponent, out)
    return out


def checkerboard_cutout(image: Pixels, draws: Draws, *, strength: float) -> Pixels:
    """Some of the black fields of a turned chessboard become grey (cbar/squares.py).

    Args:
        image: uint8 RGB, any H x W.
        draws: the board's angle, the side of its fields, and which of them.
        strength: all of them at 10.
    """
    turn = draws.angle(0.0, 2.0 * pi)
    side = max(draws.angle(0.1, 0.25) * min(image.shape[:2]), 1.0)
    count = floor(4 * max(image.shape[:2]) / side)
    chosen = draws.child().unit(count * count).reshape(count, count) < of_most(strength, 1.0)
    out = image.copy()
    cut_out(out, cos(turn), sin(turn), side, chosen)
    return out


def lines(image: Pixels, draws: Draws, *, strength: float) -> Pixels:
    """Grey lines, smoothed, one over the other, in about the same direction.

    Args:
        image: uint8 RGB, any H x W.
        draws: the direction, how much it varies, and place and direction of each line.
        strength: as many lines as S has pixels at 10, 1 at least.
    """
    from skimage.draw import line_aa  # half a second, and only needed here

    height, width = image.shape[:2]
    turn, variation = draws.angle(0.0, 2.0 * pi), draws.angle(0.1, 1.0)
    own, out = draws.child(), image.copy()
    for _ in range(max(int(of_most(strength, 1.0) * min(height, width)), 1)):
        row, column, bend = own.unit(3).tolist()
        angle = turn + 2.0 * pi * variation * (bend - 0.5)
        down, along = cos(angle) * max(height, width), sin(angle) * max(height, width)
        row, column = height * row, width * column
        ends = int(row - down), int(column - along), int(row + down), int(column + along)
        rows, columns, weights = line_aa(*ends)  # type: ignore[no-untyped-call]
        seen = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        rows, columns, weights = rows[seen], columns[seen], weights[seen, np.newaxis]
        out[rows, columns] = ((1.0 - weights) * out[rows, columns] + weights * 128.0).astype(np.uint8)
    return out
