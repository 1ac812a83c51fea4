"""The formulas of Hendrycks and Dietterich 2019, section 4.3, written out one number at a time."""

from collections.abc import Callable, Iterator
from itertools import pairwise


def pairs(frames: int, reference: str, stride: int) -> Iterator[tuple[int, int]]:
    """The frames that are compared: each stride's subsequences one after the other; noise always with frame 0."""
    if reference == "first":
        yield from ((0, j) for j in range(1, frames))
        return
    for start in range(stride):
        yield from pairwise(range(start, frames, stride))


def over_sequences(sequences: list, distance: Callable, reference: str, stride: int) -> float:
    total = 0.0
    for frames in sequences:
        compared = [distance(frames[i], frames[j]) for i, j in pairs(len(frames), reference, stride)]
        total += sum(compared) / len(compared)
    return total / len(sequences)


def flip_probability(predictions: list, reference: str, stride: int) -> float:
    return over_sequences(predictions, lambda a, b: float(a != b), reference, stride)


def rank_lists(logits: list[float]) -> tuple[list[int], list[int]]:
    """The classes from best to worst, ties by class index; and the rank of each class, from 1."""
    order = sorted(range(len(logits)), key=lambda c: (-logits[c], c))
    rank = [0] * len(logits)
    for place, c in enumerate(order):
        rank[c] = place + 1
    return order, rank


def top5(first: list[float], second: list[float]) -> float:
    """sum over i = 1..5 of the sum over min(i, s) < j <= max(i, s) of [1 <= j - 1 <= 5], s = sigma(i)."""
    order, _ = rank_lists(first)
    _, rank = rank_lists(second)
    total = 0
    for i in range(1, 6):
        sigma = rank[order[i - 1]]
        total += sum(1 for j in range(min(i, sigma) + 1, max(i, sigma) + 1) if 1 <= j - 1 <= 5)
    return float(total)


def zipf(first: list[float], second: list[float]) -> float:
    order, _ = rank_lists(first)
    _, rank = rank_lists(second)
    return sum(abs(1 / i - 1 / rank[order[i - 1]]) / i for i in range(1, len(first) + 1))


def top5_distance(logits: list, reference: str, stride: int) -> float:
    return over_sequences(logits, top5, reference, stride)


def zipf_distance(logits: list, reference: str, stride: int) -> float:
    return over_sequences(logits, zipf, reference, stride)
