"""Defocus: filtering with a disk.

The weights of a disk are few: one all over its plateau, and some along its rim. So the values under equal weights are
summed first, as whole numbers (on the plateau from running sums), and each sum is weighed once.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import UNIT, compiled, to_byte
from stormbench.corruptions.kernels.estimates import in_doubt, new_marks
from stormbench.corruptions.opencv import cv2
from stormbench.corruptions.pixels import Pixels

EQUAL = 1e-6
"""Weights that differ by less (in proportion) are taken as one: OpenCV's symmetry ends before the last bit."""


class Disk(NamedTuple):
    """A kernel that is symmetric in both directions, taken apart.

    Rows above and below the middle are added first ("pairs"), so only the lower half is left.

    Attributes:
        runs: for each pair of rows from the middle on, the half-length of the plateau: -1 where there is none.
        plateau: its weight.
        rim: (n, 4, 2), n even: four pairs of rows and the columns at which they lie under one weight; the pair after
            the last is empty and fills up fours.
        weights: (n,): of each four.
        taps: (n, 2): row and column of every tap of the whole kernel, from its middle.
        values: (n,): their weights.
    """

    runs: NDArray[np.int64]
    plateau: np.float32
    rim: NDArray[np.int64]
    weights: NDArray[np.float32]
    taps: NDArray[np.int64]
    values: NDArray[np.float64]


def disk_kernel(radius: float, antialias_sigma: float) -> NDArray[np.float32]:
    """A disk of sum 1, blurred over 3 x 3 pixels (5 x 5 where its radius is over 8); 17 x 17 at least."""
    reach, window = (8, 3) if radius <= 8 else (int(radius), 5)
    axis = np.arange(-reach, reach + 1)
    disk = (axis[:, np.newaxis] ** 2 + axis**2 <= radius**2).astype(np.float32)
    disk /= disk.sum()
    return np.asarray(cv2.GaussianBlur(disk, (window, window), sigmaX=antialias_sigma), dtype=np.float32)


@lru_cache(maxsize=64)
def disk(radius: float, antialias_sigma: float) -> Disk:
    """The disk, taken apart."""
    kernel = disk_kernel(radius, antialias_sigma)
    taps = np.argwhere(kernel > 0) - len(kernel) // 2
    reach = taps.max()
    half = kernel[len(kernel) // 2 :, len(kernel) // 2 - reach :][: reach + 1, : 2 * reach + 1]
    kinds, kind = _kinds(half)
    plateau = np.bincount(kind[kind >= 0]).argmax()
    on_plateau = np.logical_and.accumulate(kind[:, reach:] == plateau, axis=1)
    kind[np.hstack([on_plateau[:, :0:-1], on_plateau])] = -1
    rim = [(kinds[k], four) for k in range(len(kinds)) for four in _fours(np.argwhere(kind == k), empty=reach + 1)]
    rim += [(np.float32(0), np.full((4, 2), [reach + 1, 0]))] * (len(rim) % 2)
    return Disk(
        on_plateau.sum(axis=1) - 1,
        kinds[plateau],
        np.array([four for _, four in rim], dtype=np.int64).reshape(-1, 4, 2),
        np.array([weight for weight, _ in rim], dtype=np.float32),
        taps,
        kernel[tuple((taps + len(kernel) // 2).T)].astype(np.float64),
    )


def _kinds(half: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The different weights, and which of them each tap has (-1: none)."""
    kinds = np.unique(half[half > 0])
    kinds = kinds[np.append(True, np.diff(kinds) > EQUAL * kinds[1:])]
    return kinds, np.where(half > 0, np.searchsorted(kinds, half * (1 + EQUAL)) - 1, -1)


def _fours(places: NDArray[np.int64], empty: int) -> list[NDArray[np.int64]]:
    filling = np.tile([empty, 0], (-len(places) % 4, 1))
    return list(np.concatenate([places, filling]).reshape(-1, 4, 2))


def defocus(image: Pixels, kernel: Disk) -> Pixels:
    """The image filtered with a disk, borders reflected: c b | a b c | b a.

    Args:
        image: (H, W, 3).
        kernel: of any size.
    """
    out = np.empty_like(image)
    height, width = image.shape[:2]
    flat, flat_out = image.reshape(height, -1), out.reshape(height, -1)
    reach = len(kernel.runs) - 1
    rows, columns = _reflected(height, reach), _reflected(width, reach)
    # the sum is rounded once for two fours and 8 times more, by 1 in 2**24 of at most 256
    doubt = 256 * (EQUAL + (len(kernel.weights) / 2 + 8) / 2**24)
    under_flat = np.minimum(kernel.values.sum() * UNIT, 1) * 255
    _defocus(flat, rows, columns, *kernel, under_flat.astype(np.uint8), np.float32(0.5 - doubt), flat_out)
    return out


def _reflected(side: int, reach: int) -> NDArray[np.int64]:
    around = np.abs(np.arange(-reach, side + reach)) % (2 * side - 2)
    return np.asarray(np.minimum(around, 2 * side - 2 - around))


@compiled
def _prepare(image, rows, columns, plane, sums):  # type: ignore[no-untyped-def]
    """The image with its borders, and the running sums of each row and channel, which may wrap around."""
    start = (columns.size * 3 - image.shape[1]) // 2
    for y in range(rows.size):
        line, wide, total = image[rows[y]], plane[y], sums[y]
        middle = wide[start : start + line.size]
        for x in range(line.size):
            middle[x] = line[x]
        for x in range(start):
            wide[x] = line[columns[x // 3] * 3 + x % 3]
            end = start + line.size + x
            wide[end] = line[columns[end // 3] * 3 + x % 3]
        red, green, blue = np.uint16(0), np.uint16(0), np.uint16(0)
        total[0], total[1], total[2] = red, green, blue
        for x in range(columns.size):
            red, green, blue = red + wide[3 * x], green + wide[3 * x + 1], blue + wide[3 * x + 2]
            total[3 * x + 3], total[3 * x + 4], total[3 * x + 5] = red, green, blue


@compiled
def _add_runs(total, end, start, other_end, other_start):  # type: ignore[no-untyped-def]
    for x in range(total.size):
        total[x] += np.uint16(np.uint16(end[x] - start[x]) + np.uint16(other_end[x] - other_start[x]))


@compiled
def _weigh_fours(estimate, values, a, b, c, d, weight, e, f, g, h, other_weight):  # type: ignore[no-untyped-def]
    """Adds two fours of lines, which begin at ``values[a]``, ``values[b]``, ..., each with its weight."""
    n = estimate.size
    p, q, r, s = values[a : a + n], values[b : b + n], values[c : c + n], values[d : d + n]
    t, u, v, w = values[e : e + n], values[f : f + n], values[g : g + n], values[h : h + n]
    for x in range(n):
        four = np.int16(np.int16(p[x] + q[x]) + np.int16(r[x] + s[x]))
        other = np.int16(np.int16(t[x] + u[x]) + np.int16(v[x] + w[x]))
        estimate[x] += np.float32(four) * weight + np.float32(other) * other_weight


@compiled
def _sum_rows(plane, sums, middle, runs, pairs, on_plateau):  # type: ignore[no-untyped-def]
    """The pairs of rows around row ``middle``, and the sum over the plateau."""
    reach, length = runs.size - 1, on_plateau.size
    centre, alone = plane[middle], pairs[0]
    for x in range(alone.size):
        alone[x] = centre[x]
    start, end, nothing = (reach - runs[0]) * 3, (reach + runs[0] + 1) * 3, sums[middle, :length]
    on_plateau[:] = 0
    if runs[0] >= 0:
        line = sums[middle]
        _add_runs(on_plateau, line[end : end + length], line[start : start + length], nothing, nothing)
    for j in range(1, reach + 1):
        start, end = (reach - runs[j]) * 3, (reach + runs[j] + 1) * 3
        if runs[j] >= 0:
            above, below = sums[middle - j], sums[middle + j]
            _add_runs(
                on_plateau,
                above[end : end + length],
                above[start : start + length],
                below[end : end + length],
                below[start : start + length],
            )
        upper, lower, both = plane[middle - j], plane[middle + j], pairs[j]
        for x in range(both.size):
            both[x] = np.int16(upper[x] + lower[x])


@compiled
def _defocus(image, rows, columns, runs, plateau, rim, weights, taps, values, under_flat, sure, out):  # type: ignore[no-untyped-def]
    height, length = image.shape
    reach = runs.size - 1
    plane = np.empty((rows.size, columns.size * 3), np.int16)
    sums = np.empty((rows.size, columns.size * 3 + 3), np.uint16)
    _prepare(image, rows, columns, plane, sums)
    pairs = np.zeros((reach + 2, plane.shape[1]), np.int16)
    paired, starts = pairs.ravel(), [(0, 0, 0, 0) for _ in weights]
    for n in range(weights.size):
        places_of = rim[n, :, 0] * plane.shape[1] + rim[n, :, 1] * 3
        starts[n] = (places_of[0], places_of[1], places_of[2], places_of[3])
    on_plateau, estimate = np.empty(length, np.int32), np.empty(length, np.float32)
    marks, places = new_marks(length), np.empty(length, np.int64)
    for y in range(height):
        _sum_rows(plane, sums, y + reach, runs, pairs, on_plateau)
        for x in range(length):
            estimate[x] = np.float32(on_plateau[x]) * plateau
        for n in range(0, weights.size, 2):
            _weigh_fours(estimate, paired, *starts[n], weights[n], *starts[n + 1], weights[n + 1])
        line = out[y]
        for x in range(length):
            line[x] = np.uint8(np.int32(min(estimate[x], np.float32(255))))
        count = in_doubt(estimate, sure, marks, places)
        _settle(plane[y : y + 2 * reach + 1], places[:count], taps, values, under_flat, line)


@compiled
def _settle(plane, places, taps, values, under_flat, out):  # type: ignore[no-untyped-def]
    """Sums in double wherever the estimate is in doubt; under one colour all over, the sum is known beforehand."""
    reach = plane.shape[0] // 2
    known, left = np.full(3, -1), 0
    for x in places:
        k = x % 3
        value = plane[reach, x + reach * 3]
        first = 2 * reach if x >= 3 and known[k] == x - 3 else 0
        if _is_flat(plane, x + first * 3, 2 * reach + 1 - first, value):
            known[k] = x
            out[x] = under_flat[value]
        else:
            places[left] = x
            left += 1
    for first in range(0, left, 4):  # four sums at a time: none has to wait for its own last addition
        a, b, c, d = (
            places[first],
            places[min(first + 1, left - 1)],
            places[min(first + 2, left - 1)],
            places[min(first + 3, left - 1)],
        )
        p = q = r = s = 0.0
        for tap in range(values.size):
            line, away, weight = plane[reach + taps[tap, 0]], (reach + taps[tap, 1]) * 3, values[tap]
            p += weight * UNIT[np.uint16(line[np.uint64(a + away)])]
            q += weight * UNIT[np.uint16(line[np.uint64(b + away)])]
            r += weight * UNIT[np.uint16(line[np.uint64(c + away)])]
            s += weight * UNIT[np.uint16(line[np.uint64(d + away)])]
        out[a], out[b], out[c], out[d] = to_byte(p), to_byte(q), to_byte(r), to_byte(s)


@compiled
def _is_flat(plane, start, count, value):  # type: ignore[no-untyped-def]
    for i in range(count):
        for row in range(plane.shape[0]):
            if plane[row, start + i * 3] != value:
                return False
    return True
