"""The failure point: the severity at which a model's accuracy has halved."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.errors import InputError


def failure_point(
    severities: Sequence[float], accuracies: NDArray[np.floating[Any]] | Sequence[float], share: float = 0.5
) -> NDArray[np.float64]:
    """The severity at which the accuracy first falls to a share of that on clean images.

    The curve is made of straight lines between the severities that were measured.

    Args:
        severities: increasing, the first is 0: the clean images.
        accuracies: at each severity, shape ``(..., severities)``; curves are treated one by one.
        share: of the clean accuracy.

    Returns:
        Shape ``(...)``: a severity; infinity where the accuracy stays above the share, 0 where no clean image is right.

    Raises:
        InputError: the severities do not increase from 0, there are not as many accuracies, or the share is not between
            0 and 1.

    Example:
        0.8 halves between severities 2 and 3:

        >>> float(failure_point([0, 1, 2, 3], [0.8, 0.7, 0.5, 0.3]).round(6))
        2.5
        >>> float(failure_point([0, 5], [0.8, 0.5]))
        inf
    """
    places, curves = np.asarray(severities, np.float64), np.asarray(accuracies, np.float64)
    if len(places) < 2 or places[0] != 0 or not (np.diff(places) > 0).all():
        raise InputError(f"severities must increase from 0, got {list(severities)}")
    if curves.shape[-1:] != places.shape or not 0 < share < 1:
        raise InputError(f"want {len(places)} accuracies and a share between 0 and 1, got {curves.shape} and {share}")
    target = share * curves[..., 0]
    fallen = curves[..., 1:] <= target[..., None]
    after = fallen.argmax(axis=-1) + 1
    above, below = (np.take_along_axis(curves, place[..., None], -1)[..., 0] for place in (after - 1, after))
    with np.errstate(divide="ignore", invalid="ignore"):
        part = (above - target) / (above - below)
    found = places[after - 1] + part * (places[after] - places[after - 1])
    return np.where(target == 0, 0.0, np.where(fallen.any(axis=-1), found, np.inf))
