"""Calibration and selective prediction: whether a model's confidence can be believed.

A few numbers of each image suffice (``Confidences``); all figures are of one set of images, that is of one cell. A
model's figure is the mean over its cells, not the figure of all cells together. Expected calibration errors grow as
the square root of bins over images when images are few, so cells of different size must not be compared.

Notation: ``confidence`` is the largest probability of an image, ``right`` whether its class is the label.

The check vector of the doctests: 1,000 confidences drawn uniformly from 0.1 to 1, each right with the probability
confidence to the power 1.5.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.errors import InputError
from stormbench.metrics.classification import Labels, Logits, predict, rank_of_label

Numbers = NDArray[np.floating[Any]]
Truths = NDArray[np.bool_]

BINS = 15
"""As in Guo et al. 2017 (arXiv 1706.04599) and most papers since; the number of bins changes the figure."""

IMAGES_A_BIN = 100
"""Of the RMS calibration error (Hendrycks et al. 2019, arXiv 1812.04606)."""


@dataclass(frozen=True)
class Confidences:
    """What is kept of each image's probabilities, shape ``(images,)`` each.

    Attributes:
        predicted: the class with the largest probability.
        right: whether it is the label.
        log_confidence: the logarithm of its probability.
        log_true: the logarithm of the label's probability.
        squares: the sum of the squares of all probabilities.
    """

    predicted: NDArray[np.int64]
    right: Truths
    log_confidence: NDArray[np.float64]
    log_true: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, logits: Logits, labels: Labels, temperature: float = 1.0) -> "Confidences":
        """The numbers of some images, by log-softmax in double precision.

        Args:
            logits: shape ``(images, classes)``.
            labels: shape ``(images,)``.
            temperature: logits are divided by it (see ``fitted_temperature``).

        Raises:
            InputError: shapes disagree, a label is out of range, a logit is NaN, or the temperature is not above 0.
        """
        if not temperature > 0:
            raise InputError(f"a temperature must be above 0, got {temperature!r}")
        right = rank_of_label(logits, labels) == 0
        logs = _log_softmax(logits, 1.0 / temperature)
        return cls(
            predict(logits), right, logs.max(axis=1), logs[np.arange(len(labels)), labels], np.exp(2 * logs).sum(axis=1)
        )

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The largest probability of each image."""
        return np.exp(self.log_confidence)


def expected_calibration_error(confidence: Numbers, right: Truths, bins: int = BINS) -> float:
    """ECE: the mean distance between accuracy and confidence over bins of equal width.

    A confidence on an edge belongs to the bin below it; empty bins do not count; a bin's confidence is the mean of its
    images'.

    Args:
        confidence: shape ``(images,)``, 0..1; what rounding puts above 1 counts as 1.
        right: shape ``(images,)``.
        bins: how many.

    Raises:
        InputError: shapes disagree, there are no images, or a confidence is no number.

    Example:
        >>> rng = np.random.RandomState(0)
        >>> c = rng.uniform(0.1, 1, 1000)
        >>> k = rng.uniform(size=1000) < c**1.5
        >>> round(expected_calibration_error(c, k), 10), round(expected_calibration_error(c, k, bins=10), 10)
        (0.1091756091, 0.1083293809)
    """
    confidence, right = _checked(confidence, right)
    edges = np.arange(1, bins) / bins
    return float(np.abs(_gaps(np.searchsorted(edges, confidence, side="left"), confidence, right, bins)).sum())


def adaptive_calibration_error(confidence: Numbers, right: Truths, bins: int = BINS) -> float:
    """The same over bins of equal count: sorted by confidence, sizes differ by at most one, the larger ones first.

    Example:
        >>> rng = np.random.RandomState(0)
        >>> c = rng.uniform(0.1, 1, 1000)
        >>> round(adaptive_calibration_error(c, rng.uniform(size=1000) < c**1.5), 10)
        0.1083293809
    """
    confidence, right = _checked(confidence, right)
    order = np.argsort(confidence, kind="stable")
    sizes = [len(part) for part in np.array_split(order, bins)]
    return float(np.abs(_gaps(np.repeat(np.arange(bins), sizes), confidence[order], right[order], bins)).sum())


def rms_calibration_error(confidence: Numbers, right: Truths, *, as_published: bool = False) -> float:
    """The root of the mean squared distance between accuracy and confidence over bins of 100 images.

    Images are sorted by confidence; the last bin takes what is left over.

    Args:
        confidence: shape ``(images,)``, 0..1.
        right: shape ``(images,)``.
        as_published: leave out the last bin, the most confident images, as the code behind the published figures of
            ImageNet-A and -R does (natural-adv-examples, ``calibration_tools.py``).

    Raises:
        InputError: as above, or fewer than 100 images, of which the published code makes nothing.

    Example:
        >>> rng = np.random.RandomState(0)
        >>> c = rng.uniform(0.1, 1, 1000)
        >>> k = rng.uniform(size=1000) < c**1.5
        >>> round(rms_calibration_error(c, k), 10), round(rms_calibration_error(c, k, as_published=True), 10)
        (0.1167438761, 0.116083284)
    """
    confidence, right = _checked(confidence, right)
    if as_published and len(right) < IMAGES_A_BIN:
        raise InputError(f"the published RMS calibration error needs {IMAGES_A_BIN} images, got {len(right)}")
    bins = max(len(right) // IMAGES_A_BIN, 1)
    order = np.argsort(confidence, kind="stable")
    numbers = np.minimum(np.arange(len(right)) // IMAGES_A_BIN, bins - 1)
    gaps, shares = _gaps(numbers, confidence[order], right[order], bins), np.bincount(numbers) / len(right)
    return float(np.sqrt((gaps**2 / shares)[: bins - as_published].sum()))


def overconfidence(confidence: Numbers, right: Truths) -> float:
    """The mean confidence minus the accuracy: above 0 the model promises too much."""
    confidence, right = _checked(confidence, right)
    return float(confidence.mean() - right.mean())


def negative_log_likelihood(log_true: Numbers) -> float:
    """NLL: the mean of minus the logarithm of the label's probability, in nats.

    Args:
        log_true: shape ``(images,)``; of a log-softmax, never the logarithm of a rounded probability.

    Example:
        >>> round(negative_log_likelihood(np.log([0.5, 0.25])), 6)
        1.039721
    """
    return float(-np.mean(log_true))


def brier_score(squares: Numbers, log_true: Numbers) -> float:
    """The Brier score: the mean squared distance between the probabilities and the one-hot label, 0..2.

    Some divide it by the number of classes, and some leave out its last term, 1; here neither is done.

    Args:
        squares: shape ``(images,)``, the sum of squared probabilities.
        log_true: shape ``(images,)``, the logarithm of the label's probability.

    Example:
        Probabilities 0.7, 0.2, 0.1 and the second is true: 0.49 + 0.64 + 0.01.

        >>> round(brier_score(np.array([0.54]), np.log([0.2])), 9)
        1.14
    """
    return float(np.mean(squares - 2 * np.exp(log_true) + 1))


def risks(confidence: Numbers, right: Truths) -> NDArray[np.float64]:
    """The error among the m most confident images, m = 1 .. n; of equal confidences the first image comes first.

    Example:
        >>> risks(np.array([0.5, 0.9, 0.9]), np.array([False, True, False])).round(3).tolist()
        [0.0, 0.5, 0.667]
    """
    confidence, right = _checked(confidence, right)
    wrong = ~right[np.argsort(-confidence, kind="stable")]
    return np.cumsum(wrong) / np.arange(1, len(wrong) + 1)


def area_under_risk_coverage(confidence: Numbers, right: Truths) -> float:
    """AURC: the mean of the risks over all coverages; 1 - AURC is Hendrycks' AURRA.

    Example:
        >>> rng = np.random.RandomState(0)
        >>> c = rng.uniform(0.1, 1, 1000)
        >>> round(area_under_risk_coverage(c, rng.uniform(size=1000) < c**1.5), 10)
        0.3157922698
    """
    return float(risks(confidence, right).mean())


def excess_area(confidence: Numbers, right: Truths, *, limit: bool = False) -> float:
    """E-AURC: AURC minus that of a model which is least confident where it is wrong, with the same number of errors.

    Args:
        confidence: shape ``(images,)``.
        right: shape ``(images,)``.
        limit: take the best area by its formula for many images, r + (1 - r) ln(1 - r), as papers do.

    Example:
        >>> rng = np.random.RandomState(0)
        >>> c = rng.uniform(0.1, 1, 1000)
        >>> round(excess_area(c, rng.uniform(size=1000) < c**1.5, limit=True), 9)
        0.115377199
    """
    area = area_under_risk_coverage(confidence, right)
    if not limit:
        return area - area_under_risk_coverage(np.where(right, 1.0, 0.0), right)
    error = 1.0 - float(np.mean(right))
    return area - (error + (1.0 - error) * float(np.log1p(-error)) if error < 1.0 else 1.0)


def coverage_at_risk(confidence: Numbers, right: Truths, risk: float) -> float:
    """The largest share of the images, the most confident ones, whose error is at most ``risk``; 0 if there is none.

    Example:
        >>> coverage_at_risk(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]), 0.4)
        0.75
    """
    allowed = np.flatnonzero(risks(confidence, right) <= risk)
    return float(allowed[-1] + 1) / len(right) if allowed.size else 0.0


def fitted_temperature(logits: Logits, labels: Labels) -> float:
    """The temperature at which the NLL is least (Guo et al. 2017): where its slope in 1 / T is zero.

    It must be fitted on clean images that are not scored, never on corrupted ones.

    Args:
        logits: shape ``(images, classes)``.
        labels: shape ``(images,)``.

    Raises:
        InputError: as ``Confidences.of``, or no temperature from 0.01 to 100 is best (all images are right, say).
    """
    from scipy.optimize import brentq

    rank_of_label(logits, labels)  # refuses what does not fit
    true = logits[np.arange(len(labels)), labels].astype(np.float64)

    def slope(inverse: float) -> float:
        mean = (np.exp(_log_softmax(logits, inverse)) * logits).sum(axis=1)
        return float(np.mean(mean - true))

    if slope(0.01) >= 0 or slope(100.0) <= 0:
        raise InputError("no temperature from 0.01 to 100 makes these logits most likely; give more images")
    return 1.0 / float(brentq(slope, 0.01, 100.0, xtol=1e-12))


def _log_softmax(logits: Logits, inverse: float) -> NDArray[np.float64]:
    scaled = logits.astype(np.float64) * inverse
    scaled -= scaled.max(axis=1, keepdims=True)
    return np.asarray(scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True)))


def _gaps(numbers: NDArray[np.int64], confidence: Numbers, right: Truths, bins: int) -> NDArray[np.float64]:
    """Accuracy minus confidence of each bin, times its share of the images."""
    return np.bincount(numbers, right - confidence, bins) / len(right)


def _checked(confidence: Numbers, right: Truths) -> tuple[NDArray[np.float64], Truths]:
    values, truths = np.asarray(confidence, np.float64), np.asarray(right)
    if values.ndim != 1 or values.shape != truths.shape or not len(values):
        raise InputError(f"want one confidence and one truth an image, got {values.shape} and {truths.shape}")
    if not (values >= 0).all():
        raise InputError("a confidence must be a number from 0 to 1")
    return np.minimum(values, 1.0), truths.astype(bool)
