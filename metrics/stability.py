"""How steady a model is along a sequence of frames (Hendrycks and Dietterich 2019, arXiv 1903.12261, section 4.3).

A sequence shows one image under a growing or a repeated perturbation. Pairs of its frames are compared: each frame with
the one before it (``reference="previous"``), or, for noise, with the first, which is clean (``reference="first"``).
A figure is the mean over the pairs of a sequence, then over the sequences; normalised figures are in percent of a
baseline's.

Frames are compared by prediction (flip probability) or by the order of their best five classes (top-5 distance).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stormbench.errors import InputError
from stormbench.metrics.classification import Logits, ranks, top_classes

Reference = Literal["first", "previous"]
Classes = NDArray[np.integer[Any]]
Values = NDArray[np.float64]

TEST_PERTURBATIONS = (
    "gaussian_noise",
    "shot_noise",
    "motion_blur",
    "zoom_blur",
    "snow",
    "brightness",
    "translate",
    "rotate",
    "tilt",
    "scale",
)
"""The ten of the paper."""

CIFAR_PERTURBATIONS = tuple("spatter" if name == "snow" else name for name in TEST_PERTURBATIONS)
"""The ten of the reference's evaluation script for CIFAR-10-P: spatter instead of snow."""

TOP = 5


def flip_probability(predictions: Classes, *, reference: Reference, stride: int = 1) -> float:
    """How often the prediction differs from the reference frame's: FP in 0..1.

    Args:
        predictions: class of each frame, shape ``(sequences, frames)``.
        reference: which frame each one is compared with.
        stride: compares each frame with the one ``stride`` before it (the reference's "difficulty"); without effect
            where the first frame is the reference, as there.

    Raises:
        InputError: there are no sequences or no pairs, or ``reference`` is neither.

    Example:
        >>> predictions = np.array([[7, 7, 8, 7], [1, 1, 1, 1]])
        >>> flip_probability(predictions, reference="previous"), flip_probability(predictions, reference="first")
        (0.3333333333333333, 0.16666666666666666)
    """
    return _mean(sequence_flip_probabilities(predictions, reference=reference, stride=stride))


def sequence_flip_probabilities(predictions: Classes, *, reference: Reference, stride: int = 1) -> Values:
    """The flip probability of each sequence, shape ``(sequences,)``: what a bootstrap over sequences resamples.

    Arguments and errors as ``flip_probability``.
    """
    here, there = _paired(predictions, 2, reference, stride)
    return np.asarray((here != there).mean(axis=1))


def top5_distance(logits: Logits, *, reference: Reference, stride: int = 1) -> float:
    """How far the best five classes move in the order: uT5D in 0..15.

    With sigma(i) the rank in the second frame of the class that is i-th in the first, a pair's distance is the sum
    over i = 1..5 of |(i - 1) - min(sigma(i) - 1, 5)|. It is 0 for equal lists and 15 where all five leave.

    Args:
        logits: shape ``(sequences, frames, classes)``, five classes or more.
        reference: which frame each one is compared with.
        stride: as ``flip_probability``.

    Raises:
        InputError: there are no sequences, no pairs or fewer than five classes, or a logit is NaN.

    Example:
        Ten classes; the second frame turns the order round, so all five leave:

        >>> logits = np.arange(10.0)
        >>> top5_distance(np.array([[logits, logits]]), reference="previous")
        0.0
        >>> top5_distance(np.array([[logits, -logits]]), reference="previous")
        15.0
    """
    lists = top_classes(np.asarray(logits), TOP)
    return _mean(sequence_top5_distances(lists, reference=reference, stride=stride))


def sequence_top5_distances(lists: Classes, *, reference: Reference, stride: int = 1) -> Values:
    """The top-5 distance of each sequence from the frames' best five classes alone.

    Ranks beyond five all count the same, so nothing else of the logits need be kept.

    Args:
        lists: ``top_classes`` of each frame, shape ``(sequences, frames, 5)``.
        reference: which frame each one is compared with.
        stride: as ``flip_probability``.

    Returns:
        Shape ``(sequences,)``, each in 0..15.

    Raises:
        InputError: the shape is not as above, or there are no pairs.

    Example:
        The first two change places (1 + 1), and a sixth class replaces the fifth (1):

        >>> lists = np.array([[[0, 1, 2, 3, 4], [1, 0, 2, 3, 5]]])
        >>> sequence_top5_distances(lists, reference="previous").tolist()
        [3.0]
    """
    if np.ndim(lists) != 3 or np.shape(lists)[2] != TOP:
        raise InputError(f"want lists of shape (sequences, frames, {TOP}), got {np.shape(lists)}")
    here, there = _paired(lists, 3, reference, stride)
    found = here[..., :, np.newaxis] == there[..., np.newaxis, :]
    place = np.where(found.any(axis=-1), found.argmax(axis=-1), TOP)
    return np.asarray(np.abs(place - np.arange(TOP)).sum(axis=-1).mean(axis=1))


def zipf_distance(logits: Logits, *, reference: Reference, stride: int = 1) -> float:
    """The variant that weighs all ranks: the mean of sum over i of |1 / i - 1 / sigma(i)| / i.

    The paper's leaderboard does not use it. Arguments and errors as ``top5_distance``, two classes or more.

    Example:
        The two change places: |1 - 1/2| / 1 + |1/2 - 1| / 2.

        >>> zipf_distance(np.array([[[2.0, 1.0], [1.0, 2.0]]]), reference="previous")
        0.75
    """
    return _mean(sequence_zipf_distances(logits, reference=reference, stride=stride))


def sequence_zipf_distances(logits: Logits, *, reference: Reference, stride: int = 1) -> Values:
    """The Zipf distance of each sequence, shape ``(sequences,)``. Arguments and errors as ``zipf_distance``."""
    weights = 1 / ranks(np.asarray(logits))  # by class: a sum over ranks is a sum over classes
    here, there = _paired(weights, 3, reference, stride)
    return np.asarray((np.abs(here - there) * here).sum(axis=-1).mean(axis=1))


def flip_rate(probability: float, baseline: float) -> float:
    """FR of one perturbation in percent: the flip probability over the baseline's.

    Example:
        >>> flip_rate(0.05, 0.20)
        25.0
    """
    return _percent_of(probability, baseline)


def mean_flip_rate(probabilities: Mapping[str, float], baseline: Mapping[str, float]) -> float:
    """The mean of the ten flip rates (mFR), in percent.

    Args:
        probabilities: flip probability of each perturbation, 0..1; others than the ten are ignored.
        baseline: the baseline's, likewise.

    Raises:
        InputError: one of the ten is missing, or the baseline never flips on it; the message names it.

    Example:
        >>> baseline = dict.fromkeys(TEST_PERTURBATIONS, 0.20)
        >>> mean_flip_rate({**baseline, "tilt": 0.10}, baseline)
        95.0
    """
    return _mean_percent_of(probabilities, baseline)


def mean_top5_distance(distances: Mapping[str, float], baseline: Mapping[str, float]) -> float:
    """The mean of the ten top-5 distances in percent of the baseline's (mT5D).

    Arguments and errors as ``mean_flip_rate``, with unnormalised distances in 0..15.

    Example:
        >>> baseline = dict.fromkeys(TEST_PERTURBATIONS, 4.0)
        >>> mean_top5_distance(dict.fromkeys(TEST_PERTURBATIONS, 3.0), baseline)
        75.0
    """
    return _mean_percent_of(distances, baseline)


def mean_over(figures: Mapping[str, float], perturbations: Iterable[str] = TEST_PERTURBATIONS) -> float:
    """The plain mean of a figure over perturbations, in the figure's own unit.

    CIFAR-10-P reports this of the flip probability, over ``CIFAR_PERTURBATIONS``.

    Raises:
        InputError: a perturbation is missing; the message names it.

    Example:
        >>> mean_over({"tilt": 0.1, "scale": 0.3}, ["tilt", "scale"])
        0.2
    """
    names = tuple(perturbations)
    _require(names, figures=figures)
    return float(np.mean([figures[name] for name in names]))


def _paired(frames: NDArray[Any], dimensions: int, reference: str, stride: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The first and the second member of all pairs, along axis 1."""
    frames = np.asarray(frames)
    if frames.ndim != dimensions or not len(frames):
        raise InputError(f"want {dimensions} dimensions (sequences, frames, ...) and a sequence, got {frames.shape}")
    if reference not in ("first", "previous"):
        raise InputError(f'reference must be "first" or "previous", got {reference!r}')
    step = 1 if reference == "first" else stride
    if not 1 <= step < frames.shape[1]:
        raise InputError(f"want a stride from 1 and more frames than it, got stride {stride}, {frames.shape[1]} frames")
    return (frames[:, :1] if reference == "first" else frames[:, :-step]), frames[:, step:]


def _percent_of(figure: float, baseline: float) -> float:
    if not baseline > 0:
        raise InputError(f"the baseline's figure is {baseline}, so nothing can be measured against it")
    return 100 * (figure / baseline)


def _mean_percent_of(figures: Mapping[str, float], baseline: Mapping[str, float]) -> float:
    _require(TEST_PERTURBATIONS, figures=figures, baseline=baseline)
    if still := [name for name in TEST_PERTURBATIONS if not baseline[name] > 0]:
        raise InputError(f"the baseline never changes on {', '.join(still)}, so nothing can be measured against it")
    return float(np.mean([_percent_of(figures[name], baseline[name]) for name in TEST_PERTURBATIONS]))


def _require(names: Iterable[str], **tables: Mapping[str, float]) -> None:
    for what, table in tables.items():
        if missing := [name for name in names if name not in table]:
            raise InputError(f"an index needs all its perturbations; the {what} table lacks {', '.join(missing)}")


def _mean(values: Values) -> float:
    return float(values.mean())
