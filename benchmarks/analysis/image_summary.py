"""Computes all figures of a run on images, with 95 % confidence intervals."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stormbench.benchmarks.analysis.baselines import check_suite
from stormbench.benchmarks.analysis.figures import sampled_figures
from stormbench.benchmarks.analysis.metrics import FIGURES, image_means
from stormbench.benchmarks.analysis.resampling import Resampled
from stormbench.benchmarks.results.images import Result
from stormbench.benchmarks.results.run import ImageRun
from stormbench.cells import CLEAN, Cell
from stormbench.metrics.baselines import Baseline
from stormbench.metrics.estimates import Estimate, Sampled
from stormbench.metrics.intervals import wilson


@dataclass(frozen=True)
class ImageSummary:
    """All figures of one run.

    Attributes:
        run: what they come from.
        errors: top-1 error of each cell, Wilson intervals.
        mean_error: plain mean over all corrupted cells, bootstrap over images, as all below.
        baseline: what CE and mCE are measured against.
        corruption_errors: CE by corruption, where all five severities were run.
        corruption_means: mean error by corruption over its severities, where all five were run.
        severity_means: mean error by severity over all corruptions.
        mce: mean corruption error over the fifteen.
        relative_mce: relative mean corruption error.
        notes: a sentence for each index that could not be computed.
        samples: ``mean_error``, ``mce`` and ``relative_mce`` as observed, and then in each resample of the images. Runs
            on the same images are resampled alike, so that their differences are paired.
    """

    run: ImageRun
    errors: dict[Cell, Estimate]
    mean_error: Estimate | None
    baseline: Baseline | None = None
    corruption_errors: dict[str, Estimate] = field(default_factory=dict)
    corruption_means: dict[str, Estimate] = field(default_factory=dict)
    severity_means: dict[int, Estimate] = field(default_factory=dict)
    mce: Estimate | None = None
    relative_mce: Estimate | None = None
    notes: tuple[str, ...] = ()
    samples: Mapping[str, Sampled] = field(default_factory=dict)

    @property
    def result(self) -> Result:
        """The counts that the figures come from."""
        return self.run.result

    @property
    def figures(self) -> dict[str, Estimate]:
        """All figures of the table of metrics (``FIGURES``) that the run has, in its order."""
        found = self.result.adversarial
        own = {name: Estimate.of(sampled) for name, sampled in self.samples.items()}
        own |= {"clean_error": self.clean} if self.clean else {}
        own |= {"robust_accuracy": share(found.correct.adaptive, found.images)} if found else {}
        return {name: own[name] for name in FIGURES if name in own}

    @property
    def clean(self) -> Estimate | None:
        """Top-1 error on clean images."""
        return self.errors.get((CLEAN, 0))

    @property
    def corruptions(self) -> list[str]:
        """The corruptions that were run, in order."""
        return list(dict.fromkeys(corruption for corruption, _ in self.errors if corruption != CLEAN))


def summarise_images(run: ImageRun, baseline: Baseline | None, *, resamples: int = 1000) -> ImageSummary:
    """Computes every figure that the run's cells allow.

    Args:
        run: on images.
        baseline: what to normalise by; None for suites that report plain mean errors.
        resamples: number of bootstrap resamples.

    Raises:
        ResultError: the outcomes are missing or do not fit the result.
        InputError: the baseline is of another suite.
    """
    if baseline:
        check_suite(baseline, run.result.suite.name)
    resampled = Resampled.of(run, resamples)
    figures = sampled_figures(resampled, baseline)
    samples = figures.indices | image_means(run.outcomes, resampled.columns, resamples)
    estimates = {name: Estimate.of(sampled) for name, sampled in samples.items()}
    return ImageSummary(
        run,
        errors={(cell.corruption, cell.severity): share(cell.wrong, cell.images) for cell in run.result.cells},
        mean_error=estimates.get("mean_error"),
        baseline=baseline,
        corruption_errors={name: Estimate.of(samples) for name, samples in figures.corruptions.items()}
        if baseline
        else {},
        corruption_means={name: Estimate.of(100 * resampled.mean_errors(name)) for name in resampled.complete},
        severity_means={
            severity: Estimate.of(100 * resampled.severity_errors(severity)) for severity in resampled.severities
        },
        mce=estimates.get("mce"),
        relative_mce=estimates.get("relative_mce"),
        notes=figures.notes,
        samples=samples,
    )


def share(count: int, images: int) -> Estimate:
    """A share of images in percent, with Wilson's interval."""
    low, high = wilson(count, images)
    return Estimate(100 * count / images, 100 * low, 100 * high)
