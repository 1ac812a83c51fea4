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


def top_classes(logits: Logits, k: int = 5) -> NDArray[np.int64]:
    """The classes with the ``k`` largest logits, best first.

    Args:
        logits: shape ``(..., classes)``.
        k: at most the number of classes.

    Returns:
        Class indices, shape ``(..., k)``.

    Raises:
        InputError: there are fewer than ``k`` classes, or a logit is NaN.

    Example:
        >>> top_classes(np.array([[1.0, 3.0, 2.0, 3.0]]), 3).tolist()
        [[1, 3, 2]]
    """
    check_logits(logits)
    if not 1 <= k <= logits.shape[-1]:
        raise InputError(f"want the top {k} of {k} or more classes, got {logits.shape[-1]}")
    rows = np.array(logits, dtype=np.result_type(logits, np.float32)).reshape(-1, logits.shape[-1])
    if np.isneginf(rows).any():  # what is taken could not be told from what is left
        return _sorted_classes(logits)[..., :k]
    top = np.empty((len(rows), k), np.int64)
    numbers = np.arange(len(rows))
    for place in range(k):  # five passes are ten times faster than a sort, and argmax takes the first of equals
        top[:, place] = rows.argmax(axis=1)
        rows[numbers, top[:, place]] = -np.inf
    return top.reshape(*logits.shape[:-1], k)


def ranks(logits: Logits) -> NDArray[np.int64]:
    """The rank of every class, 1 for the best.

    Args:
        logits: shape ``(..., classes)``.

    Returns:
        Shape ``(..., classes)``, each row a permutation of ``1..classes``.

    Raises:
        InputError: a logit is NaN.

    Example:
        >>> ranks(np.array([1.0, 3.0, 2.0, 3.0])).tolist()
        [4, 1, 3, 2]
    """
    check_logits(logits)
    return np.argsort(_sorted_classes(logits), axis=-1) + 1


def _sorted_classes(logits: Logits) -> NDArray[np.int64]:
    return np.asarray(np.argsort(-logits, axis=-1, kind="stable"), dtype=np.int64)


def wrong_in_top(label_ranks: Labels, k: int) -> int:
    """How many images have their true class outside the first ``k``, given ``rank_of_label``.

    Example:
        >>> wrong_in_top(np.array([0, 1, 4, 5]), 1), wrong_in_top(np.array([0, 1, 4, 5]), 5)
        (3, 1)
    """
    return int(np.count_nonzero(label_ranks >= k))


def check_logits(logits: Logits) -> None:
    """Refuses logits that have no order.

    Raises:
        InputError: a logit is NaN, or there are no classes.
    """
    if logits.ndim == 0 or logits.shape[-1] == 0:
        raise InputError(f"want logits of shape (..., classes), got {logits.shape}")
    if np.isnan(logits).any():
        raise InputError("logits must be numbers, got NaN")
