"""Curves of accuracy over severity, and where they have halved, with 95 % confidence intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stormbench.benchmarks.analysis.resampling import Resampled
from stormbench.benchmarks.results.run import ImageRun
from stormbench.cells import CLEAN, SEVERITIES
from stormbench.errors import ResultError
from stormbench.metrics.estimates import Estimate, Sampled
from stormbench.metrics.failure import failure_point


@dataclass(frozen=True)
class FailurePoints:
    """Where a model fails, by the severities that were scored.

    Attributes:
        curve: accuracy in percent at each severity, over all complete corruptions; severity 0 is clean.
        mean: where that curve has halved; infinity where it never does.
        corruptions: the same for each corruption by itself.
    """

    curve: Mapping[int, Estimate]
    mean: Estimate
    corruptions: Mapping[str, Estimate]


def failure_points(run: ImageRun, *, resamples: int = 1000) -> FailurePoints:
    """The failure points of a run, by bootstrap over its images.

    Args:
        run: with clean images and one corruption or more at all five severities.
        resamples: number of bootstrap resamples.

    Raises:
        ResultError: the outcomes are missing, or the run has not these cells.

    Example::

        found = failure_points(Run.open("results/squeezenet.json"))
        print(found.mean, found.corruptions["fog"])
    """
    drawn = Resampled.of(run, resamples)
    if (CLEAN, 0) not in drawn.columns or not drawn.complete:
        raise ResultError(f"{run.path} needs clean images and a corruption at all five severities to show a failure")
    curves = {name: _accuracies(drawn, name) for name in drawn.complete}
    mean = np.mean(list(curves.values()), axis=0)
    return FailurePoints(
        {severity: Estimate.of(100 * mean[:, severity]) for severity in (0, *SEVERITIES)},
        _estimate(mean),
        {name: _estimate(curve) for name, curve in curves.items()},
    )


def _accuracies(drawn: Resampled, name: str) -> Sampled:
    """Shape ``(1 + resamples, 6)``: clean, then the five severities."""
    errors = [drawn.errors(CLEAN, 0), *(drawn.errors(name, severity) for severity in SEVERITIES)]
    return 1.0 - np.stack(errors, axis=1)


def _estimate(curves: Sampled) -> Estimate:
    """The point as observed, and the interval of its resamples, of which some may be infinite."""
    points = failure_point((0, *SEVERITIES), curves)
    low, high = np.quantile(points[1:], [0.025, 0.975], method="nearest")
    return Estimate(float(points[0]), float(low), float(high))
