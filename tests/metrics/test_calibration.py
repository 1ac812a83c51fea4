"""Calibration against formulas written out image by image, and against torchmetrics where it is installed."""

import math
from itertools import pairwise

import numpy as np
import pytest

from stormbench.errors import InputError
from stormbench.metrics.calibration import (
    Confidences,
    adaptive_calibration_error,
    area_under_risk_coverage,
    brier_score,
    coverage_at_risk,
    excess_area,
    expected_calibration_error,
    fitted_temperature,
    negative_log_likelihood,
    overconfidence,
    risks,
    rms_calibration_error,
)
from stormbench.torchvision_guard import import_torchvision

VECTOR = {
    "ece": 0.1091756091,
    "ece 10": 0.1083293809,
    "adaptive": 0.1083293809,
    "rms": 0.1167438761,
    "rms as published": 0.1160832840,
    "aurc": 0.3157922698,
    "excess": 0.1153771993,
}


def answers(seed: int, images: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(seed)
    confidence = rng.uniform(0.1, 1, images)
    return confidence, rng.uniform(size=images) < confidence**1.5


def logits_of(seed: int, images: int = 400, classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 2, (images, classes)).astype(np.float32), rng.integers(0, classes, images)


def binned(groups: list[list[int]], confidence: np.ndarray, right: np.ndarray, power: int) -> float:
    total = 0.0
    for group in groups:
        if group:
            accuracy = sum(bool(right[i]) for i in group) / len(group)
            promised = sum(float(confidence[i]) for i in group) / len(group)
            total += len(group) / len(right) * abs(accuracy - promised) ** power
    return total


def test_the_check_vector() -> None:
    """The ECE of 15 bins is the gap, 0.1083293810, and twice what the one under-confident bin lacks, 0.0004231141."""
    c, k = answers(0)
    assert c[:2] == pytest.approx([0.59393215, 0.74367043], abs=1e-8)
    assert k.mean() == 0.438
    found = {
        "ece": expected_calibration_error(c, k),
        "ece 10": expected_calibration_error(c, k, bins=10),
        "adaptive": adaptive_calibration_error(c, k),
        "rms": rms_calibration_error(c, k),
        "rms as published": rms_calibration_error(c, k, as_published=True),
        "aurc": area_under_risk_coverage(c, k),
        "excess": excess_area(c, k, limit=True),
    }
    assert found == pytest.approx(VECTOR, abs=1e-9)
    assert overconfidence(c, k) == pytest.approx(0.5463293810 - 0.438, abs=1e-9)


@pytest.mark.parametrize("images", [1, 14, 99, 100, 250, 1001])
def test_bins_written_out(images: int) -> None:
    c, k = answers(images, images)
    c[: images // 3] = np.round(c[: images // 3] * 15) / 15  # on the edges
    k[c > 0.8] = True  # under-confident there
    wide: list[list[int]] = [[] for _ in range(15)]
    for i, value in enumerate(c):
        wide[next(b for b in range(15) if value <= (b + 1) / 15)].append(i)
    assert expected_calibration_error(c, k) == pytest.approx(binned(wide, c, k, 1), abs=1e-12)
    ordered = sorted(range(images), key=lambda i: c[i])
    small, larger = divmod(images, 15)
    starts = [b * small + min(b, larger) for b in range(16)]
    equal = [ordered[a:b] for a, b in pairwise(starts)]
    assert adaptive_calibration_error(c, k) == pytest.approx(binned(equal, c, k, 1), abs=1e-12)
    cuts = [*range(0, max(images // 100, 1) * 100, 100), images]
    hundreds = [ordered[a:b] for a, b in pairwise(cuts)]
    assert rms_calibration_error(c, k) == pytest.approx(math.sqrt(binned(hundreds, c, k, 2)), abs=1e-12)
    if images >= 100:
        published = math.sqrt(binned(hundreds[:-1], c, k, 2))
        assert rms_calibration_error(c, k, as_published=True) == pytest.approx(published, abs=1e-12)


def test_probabilities_written_out() -> None:
    logits, labels = logits_of(1)
    kept = Confidences.of(logits, labels)
    nll = brier = 0.0
    for row, label in zip(logits.astype(float), labels, strict=True):
        p = [math.exp(z) / sum(map(math.exp, row)) for z in row]
        nll -= math.log(p[label]) / len(labels)
        brier += sum((value - (j == label)) ** 2 for j, value in enumerate(p)) / len(labels)
    assert negative_log_likelihood(kept.log_true) == pytest.approx(nll, abs=1e-12)
    assert brier_score(kept.squares, kept.log_true) == pytest.approx(brier, abs=1e-12)
    np.testing.assert_array_equal(kept.right, logits.argmax(axis=1) == labels)


def test_huge_logits_lose_nothing() -> None:
    kept = Confidences.of(np.array([[1000.0, 0.0], [0.0, -1000.0]]), np.array([1, 0]))
    assert kept.log_true.tolist() == [-1000.0, 0.0]
    assert brier_score(kept.squares, kept.log_true) == 1.0


def test_the_best_order_has_no_excess_and_ties_keep_theirs() -> None:
    c, k = answers(3, 500)
    best = np.where(k, 1 + c, c) / 2
    assert excess_area(best, k) == 0.0
    errors, n = int((~k).sum()), len(k)
    area = sum((m - (n - errors)) / m for m in range(n - errors + 1, n + 1)) / n
    assert area_under_risk_coverage(best, k) == pytest.approx(area, abs=1e-12)
    assert excess_area(c, k) == pytest.approx(area_under_risk_coverage(c, k) - area, abs=1e-12)
    assert excess_area(best, k, limit=True) == pytest.approx(0, abs=2 / n)
    assert excess_area(c, np.zeros(500, bool), limit=True) == 0.0
    assert risks(np.full(4, 0.5), np.array([True, False, False, True])).tolist() == [0, 1 / 2, 2 / 3, 1 / 2]


def test_coverage_is_the_largest_that_is_allowed() -> None:
    c, k = np.array([0.9, 0.8, 0.7, 0.6]), np.array([False, True, True, True])
    assert [coverage_at_risk(c, k, r) for r in (0.0, 0.25, 0.34, 0.5, 1.0)] == [0.0, 1.0, 1.0, 1.0, 1.0]
    assert coverage_at_risk(c, ~k, 0.5) == 0.5


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(temperature: float) -> None:
    logits, _ = logits_of(5, 40_000)
    p = np.exp(logits.astype(float) / temperature)
    p /= p.sum(axis=1, keepdims=True)
    labels = (np.random.default_rng(0).random((len(p), 1)) > p.cumsum(axis=1)).sum(axis=1).clip(0, 6)
    found = fitted_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.03)
    least = negative_log_likelihood(Confidences.of(logits, labels, found).log_true)
    for other in (0.999 * found, 1.001 * found):
        assert negative_log_likelihood(Confidences.of(logits, labels, other).log_true) > least
    np.testing.assert_array_equal(
        Confidences.of(logits, labels, found).predicted, Confidences.of(logits, labels).predicted
    )


def test_refusals() -> None:
    c, k = answers(0, 50)
    with pytest.raises(InputError, match="needs 100 images, got 50"):
        rms_calibration_error(c, k, as_published=True)
    for bad, said in ((c[:9], "got \\(9,\\) and \\(50,\\)"), (c - 2, "from 0 to 1"), (c * np.nan, "from 0 to 1")):
        with pytest.raises(InputError, match=said):
            expected_calibration_error(bad, k)
    with pytest.raises(InputError, match="got \\(0,\\)"):
        area_under_risk_coverage(c[:0], k[:0])
    with pytest.raises(InputError, match="above 0, got 0"):
        Confidences.of(np.eye(3), np.arange(3), 0.0)
    with pytest.raises(InputError, match="no temperature from"):
        fitted_temperature(np.eye(3), np.arange(3))


def test_equal_to_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    import_torchvision()
    theirs = pytest.importorskip("torchmetrics.functional.classification")
    logits, labels = logits_of(8, 3000)
    kept = Confidences.of(logits, labels)
    p = torch.softmax(torch.from_numpy(logits).double(), 1)
    for bins in (10, 15, 40):
        found = theirs.multiclass_calibration_error(p, torch.from_numpy(labels), 7, n_bins=bins)
        assert expected_calibration_error(kept.confidence, kept.right, bins) == pytest.approx(float(found), abs=1e-6)
