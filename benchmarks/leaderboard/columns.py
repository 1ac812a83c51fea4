"""A figure as it is printed everywhere: on the page, in the CSV, in Markdown and in LaTeX."""

from typing import NamedTuple

from stormbench.benchmarks.analysis.metrics import FIGURES
from stormbench.metrics.estimates import Estimate


class Figure(NamedTuple):
    """A figure as it is printed everywhere: on the page, in the CSV, in Markdown and in LaTeX.

    Attributes:
        value: to sort and to draw by.
        text: as it is printed.
        bounds: of its interval, as they are printed; None for published figures.
        interval: the same as numbers.
    """

    value: float
    text: str
    bounds: tuple[str, str] | None = None
    interval: Estimate | None = None

    @property
    def brackets(self) -> str:
        """The interval, or nothing."""
        return f"[{', '.join(self.bounds)}]" if self.bounds else ""

    def __str__(self) -> str:
        return f"{self.text} {self.brackets}".rstrip()


def measured(name: str, estimate: Estimate) -> Figure:
    """A figure of the table of metrics with its interval."""
    value, low, high = (f"{number:.{FIGURES[name].digits}f}" for number in estimate)
    return Figure(estimate.value, value, (low, high), estimate)


def published_figure(value: float) -> Figure:
    """A figure with as many digits as its source gives it."""
    return Figure(value, f"{value:g}")
