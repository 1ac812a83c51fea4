"""Defocus: filtering with a disk.

The weights of a disk are few: one all over its plateau, and some along its rim. So the values under equal weights are
summed first, as whole numbers (on the plateau from running sums), and each sum is weighed once.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormbench.corruptions.kernels.compiled import UNIT, compiled, to_byte
from stormbench.corruptions.opencv import cv2
from stormbench.corruptions.pixels import Pixels

DOUBT = 4e-4
"""The estimate in single precision is trusted where it is farther (in grey levels) from a whole number.

At most 20 roundings of numbers up to 256 lie behind it, each off by 256 / 2**24, and weights are equal to 1 in 10**6.
"""


class Disk(NamedTuple):
    """A kernel that is symmetric in both directions, taken apart.

    Rows above and below the middle are added first ("pairs"), so only the lower half is left.

    Attributes:
        runs: for each pair of rows from the middle on, the half-length of the plateau: -1 where there is none.
        plateau: its weight.
        rim: (n, 4, 2): four pairs of rows and the columns at which they lie under one weight; the pair after the last
            is empty and fills up fours.
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
    return Disk(
        on_plateau.sum(axis=1) - 1,
        kinds[plateau],
        np.array([four for _, four in rim], dtype=np.int64).reshape(-1, 4, 2),
        np.array([weight for weight, _ in rim], dtype=np.float32),
        taps,
        kernel[tuple((taps + len(kernel) // 2).T)].astype(np.float64),
    )


def _kinds(half: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The different weights, and which of them each tap has (-1: none); OpenCV's symmetry ends before the last bit."""
    kinds = np.unique(half[half > 0])
    kinds = kinds[np.append(True, np.diff(kinds) > 1e-6 * kinds[1:])]
    return kinds, np.where(half > 0, np.searchsorted(kinds, half * (1 + 1e-6)) - 1, -1)


def _fours(places: NDArray[np.int64], empty: int) -> list[NDArray[np.int64]]:
    filling = np.tile([empty, 0], (-len(places) % 4, 1))
    return list(np.concatenate([places, filling]).reshape(-1, 4, 2))


def defocus(image: Pixels, kernel: Disk) -> Pixels:
    """The image filtered with a disk, borders reflected: c b | a b c | b a.

    Args:
        image: (H, W, C).
        kernel: of any size.
    """
    out = np.empty_like(image)
    height, width, channels = image.shape
    flat, flat_out = image.reshape(height, -1), out.reshape(height, -1)
    reach = len(kernel.runs) - 1
    rows, columns = _reflected(height, reach), _reflected(width, reach)
    under_flat = np.minimum(kernel.values.sum() * UNIT, 1) * 255
    _defocus(flat, channels, rows, columns, *kernel, under_flat.astype(np.uint8), flat_out)
    return out


def _reflected(side: int, reach: int) -> NDArray[np.int64]:
    around = np.abs(np.arange(-reach, side + reach)) % (2 * side - 2)
    return np.asarray(np.minimum(around, 2 * side - 2 - around))


@compiled
def _prepare(image, channels, rows, columns, plane, sums):  # type: ignore[no-untyped-def]
    """The image with its borders, and the running sums of each row and channel."""
    start = (columns.size - image.shape[1] // channels) // 2 * channels
    end = start + image.shape[1]
    for y in range(rows.size):
        line, wide, total = image[rows[y]], plane[y], sums[y]
        for x in range(line.size):
            wide[start + x] = line[x]
        for x in range(start):
            wide[x] = line[columns[x // channels] * channels + x % channels]
            wide[end + x] = line[columns[(end + x) // channels] * channels + x % channels]
        total[:channels] = 0
        for x in range(wide.size):
            total[x + channels] = total[x] + wide[x]


@compiled
def _add_run(total, end, start):  # type: ignore[no-untyped-def]
    for x in range(total.size):
        total[x] += np.int32(end[x] - start[x])


@compiled
def _weigh_four(estimate, a, b, c, d, weight):  # type: ignore[no-untyped-def]
    for x in range(estimate.size):
        estimate[x] += np.float32(np.int16(np.int16(a[x] + b[x]) + np.int16(c[x] + d[x]))) * weight


@compiled
def _sum_rows(plane, sums, middle, channels, runs, pairs, on_plateau):  # type: ignore[no-untyped-def]
    """The pairs of rows around row ``middle``, and the sum over the plateau."""
    reach, length = runs.size - 1, on_plateau.size
    for x in range(plane.shape[1]):
        pairs[0, x] = plane[middle, x]
    on_plateau[:] = 0
    for j in range(reach + 1):
        start, end = (reach - runs[j]) * channels, (reach + runs[j] + 1) * channels
        if runs[j] >= 0:
            _add_run(on_plateau, sums[middle + j, end : end + length], sums[middle + j, start : start + length])
        if runs[j] >= 0 and j > 0:
            _add_run(on_plateau, sums[middle - j, end : end + length], sums[middle - j, start : start + length])
        if j > 0:
            upper, lower, both = plane[middle - j], plane[middle + j], pairs[j]
            for x in range(upper.size):
                both[x] = np.int16(upper[x] + lower[x])


@compiled
def _defocus(image, channels, rows, columns, runs, plateau, rim, weights, taps, values, under_flat, out):  # type: ignore[no-untyped-def]
    height, length = image.shape
    reach = runs.size - 1
    plane = np.empty((rows.size, columns.size * channels), np.int16)
    sums = np.empty((rows.size, (columns.size + 1) * channels), np.int32)
    _prepare(image, channels, rows, columns, plane, sums)
    pairs = np.zeros((reach + 2, plane.shape[1]), np.int16)
    on_plateau, estimate = np.empty(length, np.int32), np.empty(length, np.float32)
    for y in range(height):
        _sum_rows(plane, sums, y + reach, channels, runs, pairs, on_plateau)
        for x in range(length):
            estimate[x] = np.float32(on_plateau[x]) * plateau
        for n in range(weights.size):
            a, b, c, d = (
                rim[n, 0, 1] * channels,
                rim[n, 1, 1] * channels,
                rim[n, 2, 1] * channels,
                rim[n, 3, 1] * channels,
            )
            p, q, r, s = pairs[rim[n, 0, 0]], pairs[rim[n, 1, 0]], pairs[rim[n, 2, 0]], pairs[rim[n, 3, 0]]
            _weigh_four(
                estimate, p[a : a + length], q[b : b + length], r[c : c + length], s[d : d + length], weights[n]
            )
        doubtful = 0
        for x in range(length):
            level = min(max(estimate[x], np.float32(0)), np.float32(255))
            away = np.abs(estimate[x] - np.floor(estimate[x]) - np.float32(0.5))
            out[y, x] = np.uint8(np.int32(level))
            doubtful += away > np.float32(0.5 - DOUBT)
        if doubtful > 0:
            _settle(plane[y : y + 2 * reach + 1], estimate, channels, taps, values, under_flat, out[y])


@compiled
def _settle(plane, estimate, channels, taps, values, under_flat, out):  # type: ignore[no-untyped-def]
    """Sums in double wherever the estimate is in doubt; under one colour all over, the sum is known beforehand."""
    reach = plane.shape[0] // 2
    known = np.empty(channels, np.int64)
    known[:] = -1
    for x in range(out.size):
        if abs(estimate[x] - np.floor(estimate[x]) - 0.5) <= 0.5 - DOUBT:
            continue
        k = x % channels
        value = plane[reach, x + reach * channels]
        first = 2 * reach if x >= channels and known[k] == x - channels else 0
        if _is_flat(plane, x + first * channels, channels, 2 * reach + 1 - first, value):
            known[k] = x
            out[x] = under_flat[value]
            continue
        total = 0.0
        for tap in range(values.size):
            total += values[tap] * (plane[reach + taps[tap, 0], x + (reach + taps[tap, 1]) * channels] / 255.0)
        out[x] = to_byte(total)


@compiled
def _is_flat(plane, start, channels, count, value):  # type: ignore[no-untyped-def]
    for i in range(count):
        for row in range(plane.shape[0]):
            if plane[row, start + i * channels] != value:
                return False
    return True
