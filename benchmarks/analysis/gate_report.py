"""A gate's decision in words, as JSON, as Markdown and as a JUnit report."""

from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np

from stormbench.benchmarks.analysis.names import short_model_name
from stormbench.benchmarks.analysis.resampling import complete_corruptions
from stormbench.benchmarks.results.passes import Passes, paired_differences
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.suites.weights import FIGURE_NAMES, weighting
from stormbench.metrics.estimates import Estimate
from stormbench.metrics.gate import GateDecision, Verdict

_TWO_SIDED_95 = 1.959963984540054
_SAID = {
    Verdict.NOT_WORSE: "is not worse than",
    Verdict.WORSE: "is worse than",
    Verdict.CANNOT_TELL: "may or may not be worse than",
}


@dataclass(frozen=True)
class GateReport:
    """What a gate decided and why.

    Attributes:
        new: name of the new model.
        base: name of the base.
        figure: what was compared: ``"mCE"`` or ``"mean error"``.
        margin: in points.
        decision: the verdict and the difference.
        figures: of the new model and of the base on these passes.
        corruptions: difference of the mean errors by corruption in points, with 95 % intervals for one look: they say
            where to look, nothing is decided by them.
        disagreement: share of the passes on which exactly one of the models was wrong.
    """

    new: str
    base: str
    figure: str
    margin: float
    decision: GateDecision
    figures: tuple[float, float]
    corruptions: dict[str, Estimate]
    disagreement: float

    @property
    def conclusion(self) -> str:
        """The decision in one sentence."""
        found = self.decision
        low, high = found.difference - found.half_width, found.difference + found.half_width
        return (
            f"{self.new} {_SAID[found.verdict]} {self.base} by more than {self.margin:g} points of {self.figure}: "
            f"difference {found.difference:+.2f}, between {low:+.2f} and {high:+.2f} (5 % a side, at every look), "
            f"{found.passes:,} passes of each model"
        )

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        found = self.decision
        return {
            "verdict": found.verdict.name.lower(),
            "exit_code": int(found.verdict),
            "new": {"model": self.new, self.figure: self.figures[0]},
            "base": {"model": self.base, self.figure: self.figures[1]},
            "figure": self.figure,
            "margin": self.margin,
            "difference": found.difference,
            "half_width": found.half_width,
            "blocks": found.blocks,
            "passes": found.passes,
            "disagreement": self.disagreement,
            "corruptions": {name: estimate._asdict() for name, estimate in self.corruptions.items()},
        }

    def markdown(self) -> str:
        """A summary for a pull request: the conclusion, and a table of the corruptions."""
        rows = [
            f"| {name} | {found.value:+.1f} | {found.low:+.1f} to {found.high:+.1f} |"
            for name, found in self.corruptions.items()
        ]
        table = [
            "| corruption | difference of mean errors, points | 95 % interval for one look |",
            "|---|---|---|",
            *rows,
        ]
        new, base = self.figures
        figures = f"{self.figure} on these passes: {_cell(self.new)} {new:.1f}, {_cell(self.base)} {base:.1f}."
        return (
            "\n\n".join([f"**{_cell(self.conclusion)}.**", figures, "\n".join(table) if rows else ""]).rstrip() + "\n"
        )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def gate_report(new: Passes, base: Passes, decision: GateDecision, margin: float) -> GateReport:
    """Collects what a reader of a gate's decision wants to know beside.

    Args:
        new: the new model's run.
        base: the base's.
        decision: on their first blocks.
        margin: that it was made with.
    """
    weighed = weighting(new.settings.suite.name, new.cells)
    differences = paired_differences(new, base)[: decision.blocks]
    names = short_model_name(new.settings), short_model_name(base.settings)
    if names[0] == names[1]:
        names = shown(new.settings.run), shown(base.settings.run)
    wrong = (run.wrong[: decision.blocks].mean(axis=0) for run in (new, base))
    first, second = (float(weighed.weights @ each) for each in wrong)
    by_corruption = {}
    for name in complete_corruptions(new.cells):
        columns = [index for index, (corruption, _) in enumerate(new.cells) if corruption == name]
        by_corruption[name] = _mean(differences[:, columns])
    return GateReport(
        new=names[0],
        base=names[1],
        figure=FIGURE_NAMES[weighed.figure],
        margin=margin,
        decision=decision,
        figures=(first, second),
        corruptions=by_corruption,
        disagreement=float(np.mean(differences != 0)),
    )


def _mean(differences: np.ndarray[Any, Any]) -> Estimate:
    value = 100 * float(differences.mean())
    half_width = 100 * _TWO_SIDED_95 * float(differences.std()) / differences.size**0.5
    return Estimate(value, value - half_width, value + half_width)


def junit(name: str, *, failure: str = "", error: str = "", details: str = "") -> str:
    """A JUnit report of one test.

    Args:
        name: of the test.
        failure: why it failed; empty where it did not.
        error: why it has no outcome; empty where it has one.
        details: what else to show.
    """
    counts = {"tests": "1", "failures": str(int(bool(failure))), "errors": str(int(bool(error)))}
    suites = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "stormbench gate", **counts})
    case = ElementTree.SubElement(suite, "testcase", {"classname": "stormbench.gate", "name": shown(name)})
    for kind, message in (("failure", failure), ("error", error)):
        if message:
            ElementTree.SubElement(case, kind, {"message": shown(message)})
    if details:
        ElementTree.SubElement(case, "system-out").text = details
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"
