"""What became of every image under every attack and control: joined once, counted, and told to the verdict."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.defenses.robustness.budgets import Role
from stormbench.defenses.robustness.verdict import Figures

Right = NDArray[np.bool_]
# The attacks that the headline figure joins, image by image; controls are not among them.
ATTACKERS = (Role.ADAPTIVE, Role.GRADIENT_FREE, Role.OBLIVIOUS, Role.TRANSFER)
# Of the gradient that an attack follows, where it left the image: it points somewhere (or nobody looked), it is zero,
# or it holds NaN or infinity.
SOUND, ZERO, NOT_FINITE = range(3)
_PREFIX = "attack_"
_KINDS = {"danger": "f", "correct": "b", "correct_vote": "b", "gradient": "u"}
# The lead attack is run several times, with more and more effort.
_EFFORT = re.compile(r",steps=\d+,draws=\d+$")


@dataclass(frozen=True)
class Judged:
    """What became of each image under one attack or control, shape ``(images,)`` each.

    Attributes:
        danger: mean margin over draws that do not judge: by this the worst attack is chosen.
        correct: right by the model's own rule of decision, with fresh draws.
        correct_vote: right by the vote of several fresh draws.
        gradient: ``SOUND``, ``ZERO`` or ``NOT_FINITE``, of images that are still right.
    """

    danger: NDArray[np.floating[Any]]
    correct: Right
    correct_vote: Right
    gradient: NDArray[np.uint8]

    @classmethod
    def joined(cls, parts: Sequence[Mapping[str, NDArray[Any]]]) -> "Judged":
        """The outcomes of several batches, one after the other."""
        return cls(**{name: np.concatenate([part[name] for part in parts]) for name in cls.__annotations__})

    def take(self, which: Any) -> "Judged":
        """The outcomes of some images."""
        return Judged(**{name: array[which] for name, array in vars(self).items()})


@dataclass(frozen=True)
class AttackOutcomes:
    """AttackOutcomes of an adversarial evaluation, shape ``(rows, images)`` each; see ``Judged``.

    Attributes:
        gradient: None in results from before it was looked at.
    """

    danger: NDArray[np.floating[Any]]
    correct: Right
    correct_vote: Right
    gradient: NDArray[np.uint8] | None = None

    @classmethod
    def of(cls, judged: Sequence[Judged]) -> "AttackOutcomes":
        """The outcomes of several rows."""
        return cls(**{name: np.stack([getattr(each, name) for each in judged]) for name in Judged.__annotations__})

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "AttackOutcomes":
        """From the arrays of a file of outcomes."""
        return cls(**{name: arrays[_PREFIX + name] for name in cls.__annotations__ if _PREFIX + name in arrays})

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """As a file of outcomes holds them."""
        return {_PREFIX + name: array for name, array in vars(self).items() if array is not None}

    def departure(self, rows: int, images: int) -> str | None:
        """What is impossible about these outcomes, for a record of that size; None where nothing is."""
        for name, array in self.arrays.items():
            kind = _KINDS[name.removeprefix(_PREFIX)]
            if array.shape != (rows, images) or array.dtype.kind != kind:
                return f"{name} has shape {array.shape} and type {array.dtype}, not shape {(rows, images)}"
        if not np.isfinite(self.danger).all():
            return "a danger is no number"
        if self.gradient is not None and (self.gradient > NOT_FINITE).any():
            return "a gradient has a state that there is not"
        return None

    def worst(self, rows: Sequence[int]) -> tuple[Right, Right]:
        """Right by the rule and by the vote under the worst attack for each image, among some rows.

        The attack with the highest danger counts, and other draws judge it: counting any single wrong random evaluation
        as a success would take noise for an attack.

        Returns:
            Shape ``(images,)`` each.
        """
        worst = self.danger[rows].argmax(axis=0)[None]
        rule, vote = (np.take_along_axis(right[rows], worst, axis=0)[0] for right in (self.correct, self.correct_vote))
        return rule, vote

    def under(self, roles: Sequence[str], *wanted: Role) -> tuple[Right, Right] | None:
        """``worst`` of the rows that have one of some roles; None where there are none.

        Args:
            roles: of each row.
            wanted: the roles.
        """
        rows = [at for at, role in enumerate(roles) if role in wanted]
        return self.worst(rows) if rows else None

    def count(self, roles: Sequence[str], *wanted: Role) -> int | None:
        """How many images are right by the rule ``under`` some roles."""
        found = self.under(roles, *wanted)
        return int(found[0].sum()) if found else None

    def left(self, roles: Sequence[str], *wanted: Role) -> float | None:
        """The share of images that are right by the rule ``under`` some roles."""
        found = self.under(roles, *wanted)
        return float(found[0].mean()) if found else None

    def last_fall(self, roles: Sequence[str], attacks: Sequence[str]) -> float:
        """By how much the vote's accuracy fell at the last doubling of the lead attack's effort."""
        adaptive = {at: _EFFORT.sub("", attacks[at]) for at, role in enumerate(roles) if role == Role.ADAPTIVE}
        leads = [at for at, attack in adaptive.items() if attack == next(iter(adaptive.values()))]
        left = [float(self.worst(leads[:count])[1].mean()) for count in range(1, len(leads) + 1)]
        return left[-2] - left[-1] if len(left) > 1 else 0.0

    def share_with(self, state: int, roles: Sequence[str]) -> float:
        """The share of images that all attacks left right, on which an adaptive attack's gradient is in a state."""
        rows = [at for at, role in enumerate(roles) if role == Role.ADAPTIVE]
        right = self.under(roles, *ATTACKERS)
        if self.gradient is None or right is None or not rows:
            return 0.0
        return float(((self.gradient[rows] == state).any(axis=0) & right[0]).mean())

    def figures(self, roles: Sequence[str], attacks: Sequence[str], *, classes: int, first_look: bool) -> Figures:
        """What a verdict rests on.

        Args:
            roles: of each row.
            attacks: specification of each row.
            classes: of the model.
            first_look: the budget is too small for more than a first look.
        """
        return Figures(
            clean=self.left(roles, Role.CLEAN) or 0.0,
            adaptive=self.left(roles, *ATTACKERS) or 0.0,
            white_box=self.left(roles, Role.ADAPTIVE),
            oblivious=self.left(roles, Role.OBLIVIOUS),
            noise=self.left(roles, Role.NOISE),
            gradient_free=self.left(roles, Role.GRADIENT_FREE),
            transfer=self.left(roles, Role.OBLIVIOUS, Role.TRANSFER),
            fixed_draw=self.left(roles, Role.FIXED_DRAW),
            large_eps=self.left(roles, Role.LARGE),
            chance=1 / classes,
            last_fall=self.last_fall(roles, attacks),
            images=None if self.gradient is None else self.danger.shape[1],
            no_gradient=self.share_with(ZERO, roles),
            not_finite=self.share_with(NOT_FINITE, roles),
            first_look=self.gradient is not None and first_look,
        )


def attack_arrays(*, gradients: bool) -> list[str]:
    """The names of the arrays in a file of outcomes."""
    return [_PREFIX + name for name in _KINDS if gradients or name != "gradient"]
