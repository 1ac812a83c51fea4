"""Named budgets: which attacks a robustness evaluation runs, and how hard they try."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

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
        lead: the attack whose draws (for a deterministic model: steps) are doubled until its figure settles.
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
        ),
        Budget(
            "standard",
            "PGD-40 with 10 to 40 draws, APGD-CE and APGD-DLR, Square",
            lead="pgd:step=0.1,momentum=0.75",
            lead_steps=40,
            others=("apgd:loss=ce,steps=40", "apgd:loss=dlr,steps=40"),
            first_draws=10,
            most_draws=40,
            others_draws=10,
            queries=500,
            query_draws=5,
        ),
        Budget(
            "thorough",
            "PGD-100 with 10 to 160 draws, APGD with 20 as in AutoAttack, targeted and linear PGD, Square",
            lead="pgd:step=0.05,momentum=0.75",
            lead_steps=100,
            others=(
                "apgd:loss=ce,steps=100",
                "apgd:loss=dlr,steps=100",
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
    ],
)


LARGE_EPS = {"linf": 64 / 255, "l2": 8.0}  # attacks.md


def with_settings(spec: str, **settings: object) -> str:
    """A specification with more settings.

    Example:
        >>> with_settings("pgd:steps=40", draws=10)
        'pgd:steps=40,draws=10'
    """
    name, _, old = spec.partition(":")
    return f"{name}:" + ",".join(filter(None, (old, *(f"{key}={value}" for key, value in settings.items()))))


def doublings(budget: Budget, *, random: bool) -> Iterator[tuple[int, int]]:
    """Steps and draws of the lead attack, round by round: a random model doubles draws, another one steps, once.

    Example:
        >>> list(doublings(BUDGETS["standard"], random=True))
        [(40, 10), (40, 20), (40, 40)]
        >>> list(doublings(BUDGETS["standard"], random=False))
        [(40, 1), (80, 1)]
    """
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
