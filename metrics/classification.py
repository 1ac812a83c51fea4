"""From logits to what the other metrics count: the prediction, and the rank of the true label.

Equal logits are ordered by class index, the lower index first, everywhere: in the prediction, in the rank and in the
top five. So a model that says nothing (all logits equal) always predicts class 0, on every machine.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.errors import InputError

Logits = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]


def predict(logits: Logits) -> NDArray[np.int64]:
    """The class with the largest logit.

    Args:
        logits: shape ``(..., classes)``.

    Returns:
        Class indices, shape ``(...)``.

    Raises:
        InputError: a logit is NaN, or there are no classes.

    Example:
        >>> predict(np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]])).tolist()
        [1, 0]
    """
    check_logits(logits)
    return np.asarray(np.argmax(logits, axis=-1), dtype=np.int64)


def rank_of_label(logits: Logits, labels: Labels) -> NDArray[np.int64]:
    """How many classes come before the true one: 0 is right, 5 or more is wrong in the top 5.

    Args:
        logits: shape ``(images, classes)``.
        labels: true class of each image, shape ``(images,)``, from 0.

    Returns:
        Ranks in ``0..classes - 1``, shape ``(images,)``.

    Raises:
        InputError: shapes disagree, a label is out of range, or a logit is NaN.

    Example:
        >>> rank_of_label(np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]), np.array([2, 0, 1])).tolist()
        [1, 0, 1]
    """
    check_logits(logits)
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise InputError(f"want logits (images, classes) and labels (images,), got {logits.shape} and {labels.shape}")
    images, classes = logits.shape
    if images and not (labels.min() >= 0 and labels.max() < classes):
        raise InputError(f"labels must lie in 0..{classes - 1}, got {labels.min()}..{labels.max()}")
    true = logits[np.arange(images), labels][:, None]
    before = (logits > true) | ((logits == true) & (np.arange(classes) < labels[:, None]))
    return np.asarray(before.sum(axis=1), dtype=np.int64)


def wrong_in_top(ranks: Labels, k: int) -> int:
    """How many images have their true class outside the first ``k``.

    Example:
        >>> ranks = np.array([0, 1, 4, 5])
        >>> wrong_in_top(ranks, 1), wrong_in_top(ranks, 5)
        (3, 1)
    """
    return int(np.count_nonzero(ranks >= k))


def check_logits(logits: Logits) -> None:
    """Refuses logits that have no order.

    Raises:
        InputError: a logit is NaN, or there are no classes.
    """
    if logits.ndim == 0 or logits.shape[-1] == 0:
        raise InputError(f"want logits of shape (..., classes), got {logits.shape}")
    if np.isnan(logits).any():
        raise InputError("logits must be numbers, got NaN")
