"""How sure a figure is: Wilson's interval for an error, the bootstrap over images for everything else."""

from collections.abc import Callable
from math import sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormbench.errors import InputError

Values = NDArray[np.float64]

# Resamples that are drawn together: 64 x 50,000 weights are 26 MB.
_BATCH = 64


class Interval(NamedTuple):
    """A range that holds the true figure with the confidence asked for."""

    low: float
    high: float


def wilson(wrong: float, images: int, *, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for an error rate (Wilson 1927): sound for few images and for errors near 0 and 1.

    Args:
        wrong: number of images that were misclassified; for a mean of shares, that mean times the number of images,
            which makes the interval wider than needed, because shares vary less than yes and no.
        images: number of images.
        confidence: probability in 0..1 (both excluded).

    Returns:
        Bounds as fractions in 0..1.

    Raises:
        InputError: there are no images, or more wrong ones than images.

    Example:
        >>> low, high = wilson(5, 10)
        >>> round(low, 4), round(high, 4)
        (0.2366, 0.7634)
    """
    if not 0 <= wrong <= images or images == 0:
        raise InputError(f"want 0 <= wrong <= images and at least one image, got {wrong} wrong of {images}")
    z = NormalDist().inv_cdf(0.5 + _checked(confidence) / 2)
    error = wrong / images
    centre = error + z * z / (2 * images)
    spread = z * sqrt(error * (1 - error) / images + z * z / (4 * images * images))
    scale = 1 + z * z / images
    # At an error of exactly 0 or 1 the bound is 0 or 1, which rounding may miss by one unit in the last place.
    low = 0.0 if wrong == 0 else (centre - spread) / scale
    high = 1.0 if wrong == images else (centre + spread) / scale
    return Interval(low, high)


def resampled_means(outcomes: NDArray[Any], *, resamples: int = 1000, rng: np.random.Generator) -> Values:
    """The means of all quantities in bootstrap resamples of the images.

    A resample is a number of times that each image counts; so the means of all quantities in many resamples are one
    matrix product. All quantities share their images: pairing is kept.

    Args:
        outcomes: what happened to each image, shape ``(images, quantities)``: wrong or not in each cell, the share of
            frames that flipped in each sequence, ...
        resamples: number of resamples.
        rng: source of the resamples.

    Returns:
        Shape ``(resamples, quantities)``, float64.

    Raises:
        InputError: ``outcomes`` has no images or is not two-dimensional.
    """
    if outcomes.ndim != 2 or not len(outcomes):
        raise InputError(f"want outcomes of shape (images, quantities) with at least one image, got {outcomes.shape}")
    images = len(outcomes)
    values = outcomes.astype(np.float64)
    means = np.empty((resamples, values.shape[1]))
    for start in range(0, resamples, _BATCH):
        part = means[start : start + _BATCH]
        weights = np.stack([np.bincount(rng.integers(images, size=images), minlength=images) for _ in part])
        np.divide(weights.astype(np.float64) @ values, images, out=part)
    return means


def bootstrap(
    outcomes: NDArray[Any],
    index: Callable[[Values], float],
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> Interval:
    """Percentile bootstrap over images (Efron 1979) for any index that is computed from means over images.

    The difference of two models on the same images is such an index too: put their outcomes side by side and
    subtract. Then what makes an image hard for both cancels out.

    Args:
        outcomes: what happened to each image, shape ``(images, quantities)``.
        index: from the means of the quantities, shape ``(quantities,)``, to the figure.
        resamples: number of resamples.
        confidence: probability in 0..1 (both excluded).
        rng: source of the resamples; equal generators give equal intervals.

    Raises:
        InputError: ``outcomes`` has no images or is not two-dimensional.

    Example:
        Of 100 images one model gets 40 wrong and the other 60, with the same 40 among them: the difference is far
        from 0, although the two error rates alone would hardly tell the models apart.

        >>> image = np.arange(100)
        >>> outcomes = np.stack([image < 60, image < 40], axis=1)
        >>> low, high = bootstrap(outcomes, lambda means: means[0] - means[1], rng=np.random.default_rng(0))
        >>> 0.1 < low < 0.2 < high < 0.3
        True
    """
    tail = (1 - _checked(confidence)) / 2
    figures = [index(means) for means in resampled_means(outcomes, resamples=resamples, rng=rng)]
    low, high = np.quantile(figures, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _checked(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise InputError(f"confidence is a probability between 0 and 1, got {confidence}")
    return confidence
