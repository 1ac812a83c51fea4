"""Named budgets: which attacks a robustness evaluation runs, and how hard they try."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from stormbench.defenses.attacks.registry import make_attack
from stormbench.errors import InputError
from stormbench.registry import Registry


class Role(StrEnum):
    """What a row of an evaluation is for."""

    CLEAN = "clean"
    UNDEFENDED = "undefended"  # the same attack on the model without its defense
    OBLIVIOUS = "oblivious"  # made on the undefended model, judged on the defended: knows nothing of the defense
    TRANSFER = "transfer"  # made on another model
    ADAPTIVE = "adaptive"  # knows everything but the next draw
    WARNING = "single draw"  # what an adaptive attack with one draw per gradient would have claimed
    GRADIENT_FREE = "gradient-free"  # must not do better than the adaptive ones
    FIXED_DRAW = "fixed draw"  # knows the next draw as well: shows that the attack works
    LARGE = "large eps"  # must leave nothing
    NOISE = "noise"  # must leave nearly everything


@dataclass(frozen=True)
class Row:
    """One attack under one role; a pure description, so rows can be run anywhere and in any order.

    Attributes:
        role: what it is for.
        attack: specification of the attack; empty for clean images.
        source: name of the model that a transfer comes from.
    """

    role: Role
    attack: str = ""
    source: str = ""

    @property
    def name(self) -> str:
        """A short name, unique within an evaluation."""
        return " ".join(filter(None, (self.role.value, self.source, self.attack)))


@dataclass(frozen=True)
class Budget:
    """How hard an evaluation tries.

    Attributes:
        name: what users call it.
        summary: one line.
        lead: the attack whose draws (for a deterministic model: steps) are doubled until its figure settles; empty
            where nothing is doubled.
        lead_steps: steps of the lead attack at first.
        others: attacks that join it, run with the draws it settled on, as far as ``others_draws`` allows.
        first_draws: draws per gradient at first.
        most_draws: where the doubling ends.
        others_draws: the most draws per gradient of the others.
        queries: of the gradient-free attack; 0 leaves it out.
        query_draws: draws per query.
        tries: of the noise control.
        vote: how many draws vote in the second way of judging.
        judge: draws by which the worst of several attacks is chosen for each image, before fresh ones judge it.
        cascade: each of ``others`` gets only the images of a deterministic model that those before it left right.
        for_random: models that draw can be judged with it.
        fitted: settings that a model has too few classes for are changed (:func:`fitted`).
        first_look: too little to say that a model withstands.
    """

    name: str
    summary: str
    lead: str
    lead_steps: int
    others: tuple[str, ...]
    first_draws: int
    most_draws: int
    others_draws: int
    queries: int
    query_draws: int
    tries: int = 10
    vote: int = 20
    judge: int = 20
    cascade: bool = False
    for_random: bool = True
    fitted: bool = True
    first_look: bool = False


def _without_lead(name: str, summary: str, others: tuple[str, ...], **more: Any) -> Budget:
    """A budget whose attacks are what they are: nothing is doubled."""
    return Budget(
        name,
        summary,
        lead="",
        lead_steps=0,
        others=others,
        first_draws=20,
        most_draws=20,
        others_draws=20,
        queries=0,
        query_draws=20,
        **more,
    )


BUDGETS = Registry(
    "budget",
    [
        Budget(
            "quick",
            "PGD-20 with 5 to 20 draws: a first look, no proof of anything",
            lead="pgd:step=0.125,momentum=0.75",
            lead_steps=20,
            others=(),
            first_draws=5,
            most_draws=20,
            others_draws=5,
            queries=0,
            query_draws=1,
            first_look=True,
        ),
        Budget(
            "standard",
            "PGD-40 with 10 to 40 draws, APGD-CE, APGD-DLR and APGD-T, Square",
            lead="pgd:step=0.1,momentum=0.75",
            lead_steps=40,
            others=("apgd:loss=ce,steps=40", "apgd:loss=dlr,steps=40", "apgd:loss=dlr,steps=40,targets=9"),
            first_draws=10,
            most_draws=40,
            others_draws=10,
            queries=500,
            query_draws=5,
        ),
        Budget(
            "thorough",
            "PGD-100 with 10 to 160 draws, APGD with 20 as in AutoAttack, APGD-T, targeted and linear PGD, Square",
            lead="pgd:step=0.05,momentum=0.75",
            lead_steps=100,
            others=(
                "apgd:loss=ce,steps=100",
                "apgd:loss=dlr,steps=100",
                "apgd:loss=dlr,steps=100,targets=9",
                "pgd:steps=100,step=0.05,momentum=0.75,loss=linear,restarts=2",
                "pgd:steps=40,loss=margin,targets=3",
                "pgd:steps=40,backward=identity",
            ),
            first_draws=10,
            most_draws=160,
            others_draws=20,
            queries=5000,
            query_draws=20,
            tries=100,
        ),
        _without_lead(
            "autoattack",
            "AutoAttack: APGD-CE, APGD-T, FAB-T, Square, each on what is left (Croce 2020, 2003.01690)",
            (
                "apgd:loss=ce,steps=100",
                "apgd:loss=dlr,steps=100,targets=9",
                "fab:steps=100,targets=9",
                "square:queries=5000,share=0.8",
            ),
            cascade=True,
            for_random=False,
        ),
        _without_lead(
            "autoattack+",
            "AutoAttack's plus version: APGD-CE, APGD-DLR and FAB with 5 restarts, Square, APGD-T, FAB-T",
            (
                "apgd:loss=ce,steps=100,restarts=5",
                "apgd:loss=dlr,steps=100,restarts=5",
                "fab:steps=100,restarts=5",
                "square:queries=5000,share=0.8",
                "apgd:loss=dlr,steps=100,targets=9",
                "fab:steps=100,targets=9",
            ),
            cascade=True,
            for_random=False,
        ),
        _without_lead(
            "rand",
            "AutoAttack's version for random models: APGD-CE and APGD-DLR with 20 draws; judged with fresh draws",
            ("apgd:loss=ce,steps=100", "apgd:loss=dlr,steps=100"),
        ),
    ],
)

# The attacks that know the model itself, whose passes are the cost of an evaluation.
KNOWING = (Role.ADAPTIVE, Role.GRADIENT_FREE)


def chosen_attacks(specs: Sequence[str]) -> Budget:
    """A budget of attacks that a user names, each on all images, with the controls that every budget has.

    Raises:
        UnknownNameError: there is no such attack.
        InputError: there is none, one stands twice, or a setting cannot be read or is out of range.
    """
    for spec in specs:
        make_attack(spec)
    if not specs or len(set(specs)) < len(specs):
        raise InputError("name each attack once, and at least one")
    return _without_lead("+".join(specs), "as named", tuple(specs), fitted=False)


def is_first_look(budget: str) -> bool:
    """Whether a budget of this name is too small to say that a model withstands."""
    return budget == CURVE.name or (budget in BUDGETS and BUDGETS[budget].first_look)


LARGE_EPS = {"linf": 64 / 255, "l2": 8.0}  # attacks.md


def with_settings(spec: str, **settings: object) -> str:
    """A specification with other settings.

    Example:
        >>> with_settings("pgd:steps=40", draws=10)
        'pgd:steps=40,draws=10'
        >>> with_settings("pgd:steps=40,restarts=2", steps=20)
        'pgd:restarts=2,steps=20'
    """
    name, old = settings_of(spec)
    kept = {key: value for key, value in old.items() if key not in settings}
    return f"{name}:" + ",".join(f"{key}={value}" for key, value in (kept | settings).items())


def settings_of(spec: str) -> tuple[str, dict[str, str]]:
    """The name of an attack and its settings, as a specification writes them."""
    name, _, settings = spec.partition(":")
    pairs = (part.partition("=") for part in settings.split(",") if part.strip())
    return name.strip(), {key.strip(): value.strip() for key, _, value in pairs}


def fitted(spec: str, classes: int) -> str:
    """A specification for a model of few classes: at most all wrong ones are targets, and DLR may become the margin.

    Example:
        >>> fitted("apgd:loss=dlr,targets=9", 3)
        'apgd:loss=margin,targets=2'
    """
    name, settings = settings_of(spec)
    targets = min(int(settings.get("targets", 0)), classes - 1)
    changed = {"targets": str(targets)} if "targets" in settings else {}
    if settings.get("loss") == "dlr" and classes < (4 if targets else 3):
        changed["loss"] = "margin"
    return f"{name}:" + ",".join(f"{key}={value}" for key, value in (settings | changed).items())


def doublings(budget: Budget, *, random: bool) -> Iterator[tuple[int, int]]:
    """Steps and draws of the lead attack, round by round: a random model doubles draws, another one steps, once.

    None where there is no lead attack.

    Example:
        >>> list(doublings(BUDGETS["standard"], random=True))
        [(40, 10), (40, 20), (40, 40)]
        >>> list(doublings(BUDGETS["standard"], random=False))
        [(40, 1), (80, 1)]
    """
    if not budget.lead:
        return
    if not random:
        yield from ((budget.lead_steps, 1), (2 * budget.lead_steps, 1))
        return
    draws = budget.first_draws
    while draws <= budget.most_draws:
        yield budget.lead_steps, draws
        draws *= 2


CURVE = Budget(
    "curve",
    "PGD-20, PGD-40, APGD-CE and APGD-DLR with 20 steps: enough to compare trade-offs, not to prove robustness",
    lead="pgd:step=0.125,momentum=0.75",
    lead_steps=20,
    others=("apgd:loss=ce,steps=20", "apgd:loss=dlr,steps=20"),
    first_draws=1,
    most_draws=1,
    others_draws=1,
    queries=0,
    query_draws=1,
)


def find_budget(name: str) -> Budget:
    """``curve``, or one of ``BUDGETS``."""
    return CURVE if name == CURVE.name else BUDGETS[name]
