"""From the figures of an evaluation to a verdict in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist


class Verdict(StrEnum):
    """What the figures allow to be said; none of them says "robust"."""

    NOT_ROBUST = "not robust"
    UNDETERMINED = "undetermined"
    RAISES_COST = "raises the cost only"
    WITHSTOOD = "withstood these attacks"


# Two points of a hundred: less is not told apart from chance, more is a trend. In floats 0.5 - 0.48 is above 0.02.
SETTLED = 0.02 + 1e-9
_NORMAL = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Figures:
    """Accuracies in 0..1 that a verdict rests on; None where a row was not run.

    Attributes:
        clean: without any attack.
        adaptive: under the worst of all attacks for each image.
        white_box: under the worst of those that follow the model's gradient.
        oblivious: under an attack that knows nothing of the defense.
        noise: under the worst of some random points.
        gradient_free: under the attack without gradients.
        transfer: the lowest under attacks made on other models, the undefended one included.
        fixed_draw: under an attack that knows the next draw.
        large_eps: under an attack with a radius that should leave nothing.
        chance: one over the number of classes.
        last_fall: by how much the figure fell at the last doubling of the lead attack's effort.
        images: how many were attacked; None in results from before it was asked, which are judged without it.
        no_gradient: share of the images that all attacks left, on which the gradient of one of them was zero.
        not_finite: share of the images that all attacks left, on which the gradient of one of them was no number.
        first_look: the budget is too small for more than a first look.
    """

    clean: float
    adaptive: float
    white_box: float | None
    oblivious: float | None
    noise: float | None
    gradient_free: float | None
    transfer: float | None
    fixed_draw: float | None
    large_eps: float | None
    chance: float
    last_fall: float
    images: int | None = None
    no_gradient: float = 0.0
    not_finite: float = 0.0
    first_look: bool = False


def judge_figures(figures: Figures) -> tuple[Verdict, str]:
    """The verdict and its reason, in a sentence.

    An attack that succeeds is proof by itself, so "not robust" comes first; then whatever casts doubt on the figure;
    then whether more effort still pays. No figure of a quick budget, of too few images, of a model that guesses or of
    an attack whose gradients vanished is called withstood.

    Example:
        >>> judge_figures(Figures(0.9, 0.04, 0.04, 0.6, 0.8, 0.5, 0.6, 0.0, 0.0, 0.1, 0.01))[0].value
        'not robust'
    """
    if reason := _broken(figures):
        return Verdict.NOT_ROBUST, reason
    if doubts := [*_about_the_model(figures), *_about_the_attack(figures), *_about_chance(figures)]:
        return Verdict.UNDETERMINED, "; ".join(doubts)
    left = f"{_percent(figures.adaptive)} of {_percent(figures.clean)} accuracy is left"
    if figures.last_fall > SETTLED:
        fall = f"the last doubling of the attack's effort still took {100 * figures.last_fall:.1f} points"
        return Verdict.RAISES_COST, f"{fall}; a larger budget would take more"
    if figures.first_look:
        return Verdict.UNDETERMINED, f"{left} after a first look; only a larger budget can tell whether it stays"
    return Verdict.WITHSTOOD, f"{left}, and the attack has settled; a better attack may exist"


def _broken(figures: Figures) -> str:
    if figures.adaptive < 0.1:
        return f"an adaptive attack leaves {_percent(figures.adaptive)}"
    if figures.oblivious is not None and figures.adaptive <= figures.oblivious / 3:
        adaptive, oblivious = _percent(figures.adaptive), _percent(figures.oblivious)
        return f"an attack that knows the defense leaves {adaptive}, one that does not {oblivious}"
    if figures.images and _interval(figures.adaptive, figures.images)[1] < figures.chance:
        return (
            f"an adaptive attack leaves {_percent(figures.adaptive)}, less than guessing ({_percent(figures.chance)})"
        )
    return ""


def _about_the_model(figures: Figures) -> Iterator[str]:
    if figures.images and _is_chance(figures.clean, figures):
        yield (
            f"not attacked, the model is right on {_share(figures.clean, figures.images)}, no more than guessing "
            f"({_share(figures.chance, figures.images)}): there is no accuracy to lose"
        )


def _about_the_attack(figures: Figures) -> Iterator[str]:
    if figures.white_box is None:
        yield "no attack that follows the gradient was run, or the model has none: the others prove little"
    if figures.not_finite > SETTLED:
        yield f"the gradient is NaN or infinite on {_percent(figures.not_finite)} of the images: none can follow it"
    if figures.no_gradient > SETTLED:
        yield f"the gradient is zero on {_percent(figures.no_gradient)} of the images: the attack cannot move them"
    if masked := _masked(figures):
        yield masked


def _about_chance(figures: Figures) -> Iterator[str]:
    if figures.images and _is_chance(figures.adaptive, figures) and not _is_chance(figures.clean, figures):
        yield (
            f"what is left, {_share(figures.adaptive, figures.images)}, is not told apart from guessing, "
            f"{_share(figures.chance, figures.images)}: too few images"
        )


def _masked(figures: Figures) -> str:
    doubts = {
        "random noise does better": _beats(figures.noise, figures.white_box),
        "an attack without gradients does better": _beats(figures.gradient_free, figures.white_box),
        "a transferred attack does better": _beats(figures.transfer, figures.white_box),
        "knowing the draw does not help the attack": _beats(figures.white_box, figures.fixed_draw),
        "the attack leaves more than chance even with a huge radius": _beats(figures.chance, figures.large_eps),
    }
    found = [doubt for doubt, applies in doubts.items() if applies]
    return f"{' and '.join(found)}: the gradients are masked, so the figure is no bound" if found else ""


def _beats(lower: float | None, figure: float | None) -> bool:
    return lower is not None and figure is not None and figure > lower + SETTLED


def _is_chance(figure: float, figures: Figures) -> bool:
    """Whether a figure's interval reaches that of guessing on as many images."""
    images = figures.images or 0
    return _interval(figure, images)[0] <= _interval(figures.chance, images)[1]


def _share(figure: float, images: int) -> str:
    low, high = _interval(figure, images)
    return f"{_percent(figure)} [{100 * low:.1f}, {100 * high:.1f}] of {images} images"


def _percent(figure: float) -> str:
    return f"{100 * figure:.1f} %"


def _interval(figure: float, images: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    square = _NORMAL**2
    middle = (figure + square / (2 * images)) / (1 + square / images)
    half = _NORMAL / (1 + square / images) * (figure * (1 - figure) / images + square / (4 * images**2)) ** 0.5
    return middle - half, middle + half
