"""Defocus: filtering with a disk.

The weights of a disk are few: one all over its plateau, and some along its rim. So the values under equal weights are
summed first, as whole numbers (on the plateau from running sums), and each sum is weighed once.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormbench.cells import Pixels
from stormbench.corruptions.kernels.compiled import UNIT, compiled, inlined
from stormbench.corruptions.kernels.estimates import doubtful, in_doubt
from stormbench.corruptions.kernels.flat import settle_flat
from stormbench.corruptions.opencv import cv2
from stormbench.corruptions.pixels import quantise

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

    It is estimated in single precision, and summed in double where the estimate is too near a whole level to decide.

    Args:
        image: (H, W, 3).
        kernel: of any size.
    """
    height, width = image.shape[:2]
    reach = len(kernel.runs) - 1
    rows, columns = _reflected(height, reach), _reflected(width, reach)
    plane, sums = (
        np.empty((len(rows), 3 * len(columns)), np.uint16),
        np.empty((len(rows), 3 * len(columns) + 3), np.uint16),
    )
    _prepare(image.reshape(height, -1), rows, columns, plane, sums)
    # the sum is rounded once for two fours and 8 times more, by 1 in 2**24 of at most 256
    doubt = 256 * (EQUAL + (len(kernel.weights) / 2 + 8) / 2**24)
    starts = kernel.rim[:, :, 0] * plane.shape[1] + 3 * kernel.rim[:, :, 1]
    out, marks = np.empty((height, 3 * width), np.uint8), np.empty((height, 3 * width), np.bool_)
    fours = kernel.runs, kernel.plateau, starts, kernel.weights
    _estimate(plane, sums, *fours, np.float32(0.5 - doubt), out, marks)
    under_flat = (np.minimum(kernel.values.sum() * UNIT, 1) * 255).astype(np.uint8)
    settle_flat(image, reach, under_flat, out, marks)
    levels, taps = plane.ravel(), kernel.taps[:, 0] * plane.shape[1] + 3 * kernel.taps[:, 1]
    for places in doubtful(marks):
        middles = np.empty_like(places)
        left = _look_up_flat(levels, places, 3 * width, reach, under_flat, out.ravel(), middles)
        totals = np.zeros(left)
        _sum_taps(levels, middles[:left], taps, kernel.values, totals)
        out.ravel()[places[:left]] = quantise(totals)
    return out.reshape(image.shape)


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


@inlined
def _add_runs(total, runs, other_runs, end, start):  # type: ignore[no-untyped-def]
    """Adds the sums over the plateau in two rows, from their running sums."""
    length = total.size
    a, b = runs[end : end + length], runs[start : start + length]
    c, d = other_runs[end : end + length], other_runs[start : start + length]
    for x in range(length):
        total[x] += np.uint16(np.uint16(a[x] - b[x]) + np.uint16(c[x] - d[x]))


@inlined
def _weigh_fours(estimate, values, four, weight, other, other_weight):  # type: ignore[no-untyped-def]
    """Adds two fours of lines, which begin at these places of ``values``, each with its weight."""
    n = estimate.size
    p, q, r, s = (
        values[four[0] : four[0] + n],
        values[four[1] : four[1] + n],
        values[four[2] : four[2] + n],
        values[four[3] : four[3] + n],
    )
    t, u, v, w = (
        values[other[0] : other[0] + n],
        values[other[1] : other[1] + n],
        values[other[2] : other[2] + n],
        values[other[3] : other[3] + n],
    )
    for x in range(n):
        one = np.uint16(np.uint16(p[x] + q[x]) + np.uint16(r[x] + s[x]))
        two = np.uint16(np.uint16(t[x] + u[x]) + np.uint16(v[x] + w[x]))
        estimate[x] += np.float32(one) * weight + np.float32(two) * other_weight


@compiled
def _estimate(plane, sums, runs, plateau, starts, weights, sure, out, marks):  # type: ignore[no-untyped-def]
    height, length = out.shape
    reach, wide = runs.size - 1, plane.shape[1]
    pairs = np.zeros((reach + 2) * wide, np.uint16)
    nothing, estimate = np.zeros(sums.shape[1], np.uint16), np.empty(length, np.float32)
    on_plateau = np.empty(length, np.int32)
    for y in range(height):
        for x in range(length):
            on_plateau[x] = 0
        for j in range(reach + 1):
            upper, lower, both = plane[y + reach - j], plane[y + reach + j], pairs[j * wide : j * wide + wide]
            for x in range(wide):
                both[x] = np.uint16(upper[x] + lower[x]) if j > 0 else upper[x]
            if runs[j] >= 0:
                other = sums[y + reach + j] if j > 0 else nothing
                _add_runs(on_plateau, sums[y + reach - j], other, (reach + runs[j] + 1) * 3, (reach - runs[j]) * 3)
        for x in range(length):
            estimate[x] = np.float32(on_plateau[x]) * plateau
        for n in range(0, weights.size, 2):
            _weigh_fours(estimate, pairs, starts[n], weights[n], starts[n + 1], weights[n + 1])
        levels, marked = out[y], marks[y]
        for x in range(length):
            levels[x] = np.uint8(np.int32(min(estimate[x], np.float32(255))))
            marked[x] = in_doubt(estimate[x], sure)


@compiled
def _look_up_flat(levels, places, length, reach, under_flat, out, middles):  # type: ignore[no-untyped-def]
    """Where a window of ``levels`` is of one colour, its sum is known beforehand.

    Moves the other places to the front, with the middles of their windows, and returns how many they are.
    """
    known, left, wide = np.zeros(3, np.int64), 0, length + 6 * reach
    for place in places:
        middle = (place // length + reach) * wide + 3 * reach + place % length
        same, k = True, middle % 3
        for column in range(reach if known[k] == middle - 3 else -reach, reach + 1):  # one column is new
            for row in range(-reach, reach + 1):
                same = same and levels[middle + row * wide + 3 * column] == levels[middle]
            if not same:
                break
        if same:
            known[k] = middle
            out[place] = under_flat[levels[middle]]
        else:
            places[left], middles[left] = place, middle
            left += 1
    return left


@compiled
def _sum_taps(levels, middles, taps, values, totals):  # type: ignore[no-untyped-def]
    """Tap by tap, so that no addition waits for the one before it."""
    for tap in range(values.size):
        for n in range(middles.size):
            totals[n] += values[tap] * UNIT[levels[np.uint64(middles[n] + taps[tap])]]
