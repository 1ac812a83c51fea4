"""From the figures of an evaluation to a verdict in words."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What the figures allow to be said; none of them says "robust"."""

    NOT_ROBUST = "not robust"
    UNDETERMINED = "undetermined"
    RAISES_COST = "raises the cost only"
    WITHSTOOD = "withstood these attacks"


# Two points of a hundred: less is not told apart from chance, more is a trend. In floats 0.5 - 0.48 is above 0.02.
SETTLED = 0.02 + 1e-9


@dataclass(frozen=True)
class Figures:
    """Accuracies in 0..1 that a verdict rests on; None where a row was not run.

    Attributes:
        clean: without any attack.
        adaptive: under the worst of all attacks for each image.
        white_box: under the worst of those that follow the defense's gradient.
        oblivious: under an attack that knows nothing of the defense.
        noise: under the worst of some random points.
        gradient_free: under the attack without gradients.
        transfer: the lowest under attacks made on other models, the undefended one included.
        fixed_draw: under an attack that knows the next draw.
        large_eps: under an attack with a radius that should leave nothing.
        chance: one over the number of classes.
        last_fall: by how much the figure fell at the last doubling of the lead attack's effort.
    """

    clean: float
    adaptive: float
    white_box: float
    oblivious: float | None
    noise: float | None
    gradient_free: float | None
    transfer: float | None
    fixed_draw: float | None
    large_eps: float
    chance: float
    last_fall: float


def judge_figures(figures: Figures) -> tuple[Verdict, str]:
    """The verdict and its reason, in a sentence.

    An attack that succeeds is proof by itself, so "not robust" comes first; then whatever casts doubt on the attacks;
    then whether more effort still pays.

    Example:
        >>> judge_figures(Figures(0.9, 0.04, 0.04, 0.6, 0.8, 0.5, 0.6, 0.0, 0.0, 0.1, 0.01))[0].value
        'not robust'
    """
    if reason := _broken(figures):
        return Verdict.NOT_ROBUST, reason
    if reason := _masked(figures):
        return Verdict.UNDETERMINED, reason
    if figures.last_fall > SETTLED:
        fall = f"the last doubling of the attack's effort still took {100 * figures.last_fall:.1f} points"
        return Verdict.RAISES_COST, f"{fall}; a larger budget would take more"
    left = f"{100 * figures.adaptive:.1f} % of {100 * figures.clean:.1f} % accuracy is left, and the attack has settled"
    return Verdict.WITHSTOOD, f"{left}; a better attack may exist"


def _broken(figures: Figures) -> str:
    if figures.adaptive < 0.1:
        return f"an adaptive attack leaves {100 * figures.adaptive:.1f} %"
    if figures.oblivious is not None and figures.adaptive <= figures.oblivious / 3:
        adaptive, oblivious = 100 * figures.adaptive, 100 * figures.oblivious
        return f"an attack that knows the defense leaves {adaptive:.1f} %, one that does not {oblivious:.1f} %"
    return ""


def _masked(figures: Figures) -> str:
    doubts = {
        "random noise does better": _beats(figures.noise, figures.white_box),
        "an attack without gradients does better": _beats(figures.gradient_free, figures.white_box),
        "a transferred attack does better": _beats(figures.transfer, figures.white_box),
        "knowing the draw does not help the attack": figures.fixed_draw is not None
        and figures.fixed_draw > figures.white_box + SETTLED,
        "the attack leaves more than chance even with a huge radius": figures.large_eps > figures.chance + SETTLED,
    }
    found = [doubt for doubt, applies in doubts.items() if applies]
    return f"{' and '.join(found)}: the gradients are masked, so the figure is no bound" if found else ""


def _beats(other: float | None, white_box: float) -> bool:
    return other is not None and other < white_box - SETTLED
