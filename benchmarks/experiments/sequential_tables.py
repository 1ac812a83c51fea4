"""Prints the tables of docs/quick.md: ``python -m stormbench.benchmarks.experiments.sequential_tables``."""

import sys
from collections.abc import Iterator

import numpy as np

from stormbench.benchmarks.experiments.sequential_simulation import (
    anytime_coverage,
    few_images,
    gate_rates,
    population,
    stops,
)

_REPETITIONS = 4000
_GATES = 2000
_FEW_IMAGES = 1500


def coverage_table() -> Iterator[str]:
    """Coverage at the stop and passes against those of a known variance, with a look at every block."""
    yield "| figure | precision | coverage, % | mean passes | against a known variance |"
    yield "|---|---|---|---|---|"
    figures = [(f"mCE {mce:.0f}", population(mce)) for mce in (25.0, 50.0, 76.0, 99.0)]
    figures += [(f"mean error {error:.0f}", population(error, normalised=False)) for error in (2.0, 5.0, 10.0, 20.0)]
    for name, of in figures:
        for precision in (2.0, 1.0):
            found = stops(of, precision, _REPETITIONS, every_block=True)
            ratio = found.passes.mean() / of.passes(precision)
            covered = 100 * found.coverage(of.theta, precision)
            yield f"| {name} | {precision:g} | {covered:.1f} | {found.passes.mean():,.0f} | {ratio:.2f} |"


def looks_table() -> Iterator[str]:
    """The same with the looks of a real run."""
    yield "| mCE 76, looks a tenth apart | coverage, % | mean passes | against a known variance |"
    yield "|---|---|---|---|"
    of = population(76.0)
    for precision in (2.0, 1.0, 0.5):
        found = stops(of, precision, _REPETITIONS, every_block=False)
        ratio = found.passes.mean() / of.passes(precision)
        covered = 100 * found.coverage(of.theta, precision)
        yield f"| {precision:g} | {covered:.1f} | {found.passes.mean():,.0f} | {ratio:.2f} |"


def anytime_table() -> Iterator[str]:
    """Runs whose anytime interval held at every one of 400 blocks."""
    yield "| mCE | anytime coverage over 400 blocks, % |"
    yield "|---|---|"
    for mce in (25.0, 76.0, 99.0):
        yield f"| {mce:.0f} | {100 * anytime_coverage(population(mce), 400, _GATES):.1f} |"


def gate_table() -> Iterator[str]:
    """What gates answer that are asked after every block."""
    yield "| disagreement, % | true difference | margin | budget | worse, % | not worse, % | cannot tell, % | passes |"
    yield "|---|---|---|---|---|---|---|---|"
    cases = [(0.13, 1.0, 1.0, 400), (0.027, 1.0, 1.0, 400), (0.002, 0.1, 0.1, 400), (0.002, 0.0, 0.0, 400)]
    cases += [(0.13, 0.0, 1.0, 386), (0.13, 2.0, 1.0, 386), (0.027, 0.0, 1.0, 386), (0.002, 0.0, 1.0, 386)]
    for disagreement, difference, margin, blocks in cases:
        found = gate_rates(disagreement, difference, margin, blocks, _GATES)
        shares = f"{100 * found.worse:.1f} | {100 * found.not_worse:.1f} | {100 * found.undecided:.1f}"
        case = f"{100 * disagreement:g} | {difference:g} | {margin:g} | {75 * blocks:,}"
        yield f"| {case} | {shares} | {found.passes:,.0f} |"


def few_images_table() -> Iterator[str]:
    """Runs on 500 images that go into later rounds, against the full run on these images."""
    yield "| precision | mean rounds of 75 | coverage of the full run's figure, % |"
    yield "|---|---|---|"
    for precision in (3.0, 1.27, 1.0, 0.46):
        found, truth = few_images(population(76.0), 500, precision, _FEW_IMAGES)
        yield f"| {precision:g} | {np.mean(found.passes) / 500:.1f} | {100 * found.coverage(truth, precision):.1f} |"


def main() -> None:
    """Writes all tables to the standard output, as they are finished."""
    for table in (coverage_table, looks_table, anytime_table, gate_table, few_images_table):
        for line in table():
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
