"""Simulates runs with a chosen precision and gates: coverage, passes, false answers, power.

``python -m stormbench.benchmarks.experiments.sequential_tables`` prints the tables of docs/quick.md; the tests run
the same functions with fewer repetitions. Outcomes are drawn; what is under test is ``stormbench.metrics.sequential``
and ``stormbench.metrics.gate``.

Error rates by cell are AlexNet's, moved on the probit scale until their mCE is the one asked for. While every image is
used once, the outcomes of a model on random images are independent given the cells, so no more is needed to simulate
the first round. For later rounds outcomes on one image are correlated (``correlated_outcomes``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from stormbench.metrics.baselines import load_baseline
from stormbench.metrics.block_plan import BlockPlan
from stormbench.metrics.corruption import TEST_CORRUPTIONS
from stormbench.metrics.gate import difference_boundary, difference_errors
from stormbench.metrics.sequential import (
    FIRST_LOOK,
    figure_boundary,
    figure_errors,
    looks,
    smoothed_variances,
    stopping_block,
)

Values = NDArray[np.float64]
CELLS = 75
# Factor of all cells and factor of a corruption, in the unit of the noise: outcomes on one image then correlate by 0.21
# to 0.26 on average, as those of SqueezeNet 1.1 and ResNet-20 were measured to.
_COMMON, _OF_CORRUPTION = 0.95, 0.65
# Tables of outcomes that are simulated together: 64 x 400 x 75 numbers of 8 bytes are 15 MB.
_TOGETHER = 64


@dataclass(frozen=True)
class Population:
    """Error rates and weights of the 75 cells; ``theta`` is the figure to be estimated, in percent."""

    errors: Values
    weights: Values

    @property
    def theta(self) -> float:
        """The true figure."""
        return float(self.weights @ self.errors)

    def passes(self, precision: float) -> float:
        """How many a run needs that knows the variance: (1.96 / precision)^2 blocks' variances of 75 passes each."""
        of_block = float(np.sum(self.weights**2 * self.errors * (1 - self.errors)))
        return CELLS * (1.96 / precision) ** 2 * of_block


def population(figure: float, *, normalised: bool = True) -> Population:
    """A model with a given mCE, or with a given plain mean error.

    Example:
        >>> round(population(76.0).theta, 6), round(population(5.0, normalised=False).theta, 6)
        (76.0, 5.0)
    """
    alexnet = np.array([load_baseline("alexnet").errors[name] for name in TEST_CORRUPTIONS])
    weights = np.repeat(100 / (15 * alexnet.sum(axis=1)), 5) if normalised else np.full(CELLS, 100 / CELLS)

    def moved(by: float) -> Values:
        return np.asarray(ndtr(ndtri(alexnet.ravel()) + by))

    by: Any = brentq(lambda by: float(weights @ moved(by)) - figure, -8.0, 3.0)
    return Population(moved(by), weights)


@dataclass(frozen=True)
class Stops:
    """Where simulated runs stopped: their estimates and passes, shape ``(repetitions,)``."""

    estimates: Values
    passes: NDArray[np.int64]

    def coverage(self, truth: Values | float, precision: float) -> float:
        """Share of the runs whose interval holds the truth."""
        return float(np.mean(np.abs(self.estimates - truth) <= precision))


def stops(of: Population, precision: float, repetitions: int, *, every_block: bool, seed: int = 0) -> Stops:
    """Runs on different images until the interval has the half-width ``precision``.

    Args:
        of: the model.
        precision: in points.
        repetitions: number of runs.
        every_block: look after every block from the tenth on, or at the looks of a real run.
        seed: of the outcomes.
    """
    rng = np.random.default_rng(seed)
    most = 4 * int(of.passes(precision) / CELLS) + 100
    counts, before = np.zeros((repetitions, CELLS)), 0
    found = np.full((2, repetitions), np.nan)
    for at in range(FIRST_LOOK, most) if every_block else looks(most):
        counts += rng.binomial(at - before, of.errors, size=counts.shape)
        before = at
        half_width = 1.96 * np.sqrt(smoothed_variances(counts, counts, at) @ of.weights**2 / at)
        now = np.isnan(found[0]) & (half_width <= precision)
        found[:, now] = (counts[now] @ of.weights / at, np.full(now.sum(), CELLS * at))
        if not np.isnan(found).any():
            break
    return Stops(found[0], found[1].astype(np.int64))


def anytime_coverage(of: Population, blocks: int, repetitions: int, *, seed: int = 0) -> float:
    """Share of runs whose anytime interval holds the figure after every one of the blocks."""
    held = 0
    for rng, size in _parts(repetitions, seed):
        outcomes = (rng.random((size, blocks, CELLS), dtype=np.float32) < of.errors).astype(np.float64)
        deviation = np.abs((outcomes @ of.weights - of.theta).cumsum(axis=1))
        crossed = figure_boundary(of.weights).crossed(deviation, figure_errors(outcomes, of.weights))
        held += int((~crossed.any(axis=1)).sum())
    return held / repetitions


@dataclass(frozen=True)
class GateRates:
    """Shares of simulated gates that said "worse", "not worse" and neither, and the mean passes of each model."""

    worse: float
    not_worse: float
    undecided: float
    passes: float


def gate_rates(
    disagreement: float, difference: float, margin: float, blocks: int, repetitions: int, *, seed: int = 0
) -> GateRates:
    """Gates that are asked after every block until they answer.

    Args:
        disagreement: share of passes on which exactly one of the models is wrong.
        difference: true difference in points of mCE; new minus base.
        margin: of the gate.
        blocks: the budget.
        repetitions: number of gates.
        seed: of the outcomes.
    """
    weights = population(76.0).weights
    up = disagreement / 2 + difference / float(2 * weights.sum())
    draw = partial(_differences, up=up, down=disagreement - up)
    answers = [_answers(draw(rng, (size, blocks, CELLS)), weights, margin) for rng, size in _parts(repetitions, seed)]
    worse, not_worse = (np.concatenate(parts) for parts in zip(*answers, strict=True))
    first = np.minimum(np.minimum(worse, not_worse), blocks - 1) + 1
    return GateRates(
        worse=float(np.mean(worse < not_worse)),
        not_worse=float(np.mean(not_worse < worse)),
        undecided=float(np.mean(worse == not_worse)),
        passes=float(np.mean(first)) * CELLS,
    )


def _differences(rng: np.random.Generator, shape: tuple[int, ...], *, up: float, down: float) -> Values:
    drawn = rng.random(shape)
    return (drawn < up).astype(np.float64) - (drawn > 1 - down)


def _answers(differences: Values, weights: Values, margin: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The block at which each gate says "worse" and that at which it says "not worse"; the number of blocks for never.

    Both are searched for on their own: a gate stops at the earlier one.
    """
    boundary = difference_boundary(weights, margin)
    beyond = (differences @ weights - margin).cumsum(axis=1)
    spread = difference_errors(differences, weights)
    return _first(boundary.crossed(beyond, spread)), _first(boundary.crossed(-beyond, spread))


def _first(true: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.asarray(np.where(true.any(axis=1), true.argmax(axis=1), true.shape[1]))


def _parts(repetitions: int, seed: int) -> Iterator[tuple[np.random.Generator, int]]:
    rng = np.random.default_rng(seed)
    for start in range(0, repetitions, _TOGETHER):
        yield rng, min(_TOGETHER, repetitions - start)


def correlated_outcomes(of: Population, images: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Outcomes of a model on random images in all cells, shape ``(images, 75)``: one factor for all, one a corruption.

    A probit model: the cells' error rates are exactly those of the population.
    """
    noise = rng.standard_normal((images, CELLS))
    common, by_corruption = rng.standard_normal((images, 1)), rng.standard_normal((images, CELLS // 5))
    latent = noise + _COMMON * common + _OF_CORRUPTION * by_corruption.repeat(5, axis=1)
    scale = (1 + _COMMON**2 + _OF_CORRUPTION**2) ** 0.5
    return np.asarray(latent < scale * ndtri(of.errors))


def few_images(
    of: Population, images: int, precision: float, repetitions: int, *, seed: int = 0
) -> tuple[Stops, Values]:
    """Runs on few images that go into later rounds, and what the full run on these images gives, in each repetition."""
    rng = np.random.default_rng(seed)
    found, truth = [], []
    for _ in range(repetitions):
        outcomes = correlated_outcomes(of, images, rng)
        plan = BlockPlan(np.arange(images), rng.permutation(CELLS))
        shown = plan.images_by_cell(images)
        table = outcomes[shown, np.arange(CELLS)]
        at = stopping_block(table, shown, of.weights, images, precision) or images
        found.append((float(of.weights @ table[:at].mean(axis=0)), CELLS * at))
        truth.append(float(of.weights @ outcomes.mean(axis=0)))
    estimates, passes = zip(*found, strict=True)
    return Stops(np.array(estimates), np.array(passes)), np.array(truth)


def correlation(of: Population, images: int = 20_000, seed: int = 0) -> float:
    """Mean correlation of the weighted outcomes of two cells on one image, over all pairs of cells."""
    outcomes = of.weights * correlated_outcomes(of, images, np.random.default_rng(seed))
    covariance = np.cov(outcomes, rowvar=False)
    return float((covariance.sum() - covariance.trace()) / (CELLS - 1) / covariance.trace())
