"""The table of a speed measurement."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import isnan
from typing import Any

from rich.table import Table

from stormbench.benchmarks.speed.measure import Measurement
from stormbench.corruptions import C_BAR
from stormbench.metrics.corruption import TEST_CORRUPTIONS

DIFFERENT: Mapping[str, str] = {
    "motion_blur": "sums without 16-bit rounding; stops short on small images",
    "zoom_blur": "keeps the top left instead of the middle",
    "snow": "flakes of another precision, kept at the top left",
    "frost": "textures enlarged before cropping",
    "fog": "single precision",
    "pixelate": "enlarges by nearest neighbour, not by box",
    "elastic_transform": "another method: no affine map, other strengths",
    "spatter": "mud in double precision",
}
"""Where the peer computes something else than the reference (and so than stormbench)."""

PEER = "imagecorruptions-imaug"
SUMS: Mapping[str, tuple[str, ...]] = {"the 15": TEST_CORRUPTIONS, "the 10 of C-bar": C_BAR["imagenet"]}
"""What is summed, each below its own rows."""


def totals(results: Iterable[Measurement]) -> dict[tuple[str, str], dict[int, float]]:
    """Milliseconds by (contender, corruption) and severity, with the sums as corruptions of the names in ``SUMS``.

    A contender that lacks or fails one of the corruptions of a sum does not have it.
    """
    cells: dict[tuple[str, str], dict[int, float]] = {}
    for result in results:
        cells.setdefault((result.contender, result.corruption), {})[result.severity] = result.typical
    for contender, (total, summed) in product({contender for contender, _ in cells}, SUMS.items()):
        rows = [cells.get((contender, name)) for name in summed]
        severities = {severity for row in rows if row for severity in row}
        cells[contender, total] = {
            s: sum(row.get(s, float("nan")) if row else float("nan") for row in rows) for s in severities
        }
    return cells


def speed_table(results: Sequence[Measurement], facts: Mapping[str, Any]) -> Table:
    """One row for each corruption: milliseconds an image at one severity and over all measured, and the ratios.

    Args:
        results: of one run; the first contender is the one that others are divided by.
        facts: of the machine.
    """
    cells = totals(results)
    contenders = list(dict.fromkeys(result.contender for result in results))
    severities = sorted({result.severity for result in results})
    shown = [3 if 3 in severities else severities[0]]
    spans = [shown] if len(severities) == 1 else [shown, severities]
    table = Table(title=f"milliseconds for a 224 x 224 image, one thread ({_facts(facts)})", title_justify="left")
    table.add_column("corruption", no_wrap=True)
    for contender, span in product(contenders, spans):
        heading = f"severity {span[0]}" if len(span) == 1 else f"all {len(span)}"
        table.add_column(f"{contender}\n{heading}", justify="right")
        if contender != contenders[0]:
            table.add_column("ratio", justify="right", no_wrap=True)
    measured = list(dict.fromkeys(result.corruption for result in results))
    for names in _sections(measured):
        for name in names:
            mark = " *" if name in DIFFERENT and PEER in contenders else ""
            last = name in SUMS or (name == names[-1] or names[names.index(name) + 1] in SUMS)
            style = "bold" if name in SUMS else ""
            table.add_row(name + mark, *_row(cells, contenders, name, spans), style=style, end_section=last)
    return table


def _sections(measured: Sequence[str]) -> Iterable[list[str]]:
    """The rows of each sum that was measured, with it at their end, then the rows of none."""
    for total, summed in SUMS.items():
        if rows := [name for name in measured if name in summed]:
            yield [*rows, total]
    yield [name for name in measured if not any(name in summed for summed in SUMS.values())]


def footnotes(results: Sequence[Measurement]) -> list[str]:
    """What the table's marks mean, and what failed."""
    marked = [
        n
        for n in dict.fromkeys(r.corruption for r in results)
        if n in DIFFERENT and any(r.contender == PEER for r in results)
    ]
    failures = [f"{r.contender} failed at {r.corruption}, severity {r.severity}: {r.error}" for r in results if r.error]
    return [
        f"* {PEER} computes something else than the reference, {name}: {DIFFERENT[name]}" for name in marked
    ] + failures


def _row(
    cells: Mapping[tuple[str, str], Mapping[int, float]],
    contenders: Sequence[str],
    name: str,
    spans: Sequence[Sequence[int]],
) -> Iterable[str]:
    for contender, span in product(contenders, spans):
        took, base = (
            sum(cells.get((who, name), {}).get(s, float("nan")) for s in span) for who in (contender, contenders[0])
        )
        yield _number(took)
        if contender != contenders[0]:
            yield "" if isnan(took / base) else f"{took / base:.1f}x"


def _number(value: float) -> str:
    return "-" if isnan(value) else f"{value:.2f}"


def _facts(facts: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {number}" for name, number in facts["libraries"].items())
    cores, load = facts["cores"], facts["load"]
    return f"{facts['date']}, {facts['processor']}, {cores} cores, load {load}, Python {facts['python']}, {libraries}"
