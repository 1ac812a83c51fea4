"""Which attacks there are. The table names classes without importing them, so listing needs no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from stormbench.registry import Registry

if TYPE_CHECKING:
    from stormbench.defenses.attacks.base import Attack


@dataclass(frozen=True)
class AttackEntry:
    """One attack.

    Attributes:
        name: what a specification calls it.
        summary: one line, with the paper.
        target: ``module:Class``, where the class is an ``Attack`` whose fields are the specification's keys.
        needs: ``gradients`` of the model, or its ``logits`` alone.
        settings: its settings and their defaults, as a specification writes them.
        cost: how many passes through the model it takes for an image at most, in terms of its settings.
    """

    name: str
    summary: str
    target: str
    needs: str
    settings: str
    cost: str

    @property
    def passes(self) -> str:
        """What the cost counts."""
        return "backward passes" if self.needs == "gradients" else "forward passes"


_HERE = "stormbench.defenses.attacks"


ATTACKS = Registry(
    "attack",
    [
        AttackEntry(
            "fgsm",
            "one signed step (Goodfellow 2015, 1412.6572)",
            f"{_HERE}.pgd:FGSM",
            "gradients",
            "loss=ce,draws=1",
            "draws",
        ),
        AttackEntry(
            "pgd",
            "projected gradient descent (Madry 2018, 1706.06083)",
            f"{_HERE}.pgd:PGD",
            "gradients",
            "steps=40,step=0.1,momentum=0,restarts=1,targets=0,loss=ce,draws=1,backward=own,stop=true",
            "steps x draws x restarts x targets",
        ),
        AttackEntry(
            "apgd",
            "Auto-PGD with CE or DLR, step sizes chosen on the way (Croce 2020, 2003.01690)",
            f"{_HERE}.apgd:APGD",
            "gradients",
            "loss=ce,steps=100,restarts=1,targets=0,draws=1,stop=true",
            "(steps + 1) x draws x restarts x targets",
        ),
        AttackEntry(
            "fab",
            "the smallest change, along the boundary; targeted or not (Croce 2020, 1907.02044)",
            f"{_HERE}.fab:FAB",
            "gradients",
            "steps=100,restarts=1,targets=0,draws=1,stop=true",
            "steps x draws x restarts x (targets, or 9)",
        ),
        AttackEntry(
            "deepfool",
            "the nearest linearised boundary (Moosavi-Dezfooli 2016, 1511.04599)",
            f"{_HERE}.deepfool:DeepFool",
            "gradients",
            "steps=50,candidates=9,overshoot=0.02,draws=1",
            "steps x (candidates + 1) x draws",
        ),
        AttackEntry(
            "cw",
            "the smallest L2 change by Adam (Carlini 2017, 1608.04644)",
            f"{_HERE}.carlini:CarliniWagner",
            "gradients",
            "steps=100,searches=5,rate=0.01,first_c=1,confidence=0,draws=1",
            "steps x searches x draws",
        ),
        AttackEntry(
            "square",
            "random search with squares, no gradients (Andriushchenko 2020, 1912.00049)",
            f"{_HERE}.square:Square",
            "logits",
            "queries=1000,share=0.3,draws=1,stop=true",
            "(queries + 1) x draws",
        ),
        AttackEntry(
            "noise",
            "random points on the edge: the control",
            f"{_HERE}.noise:Noise",
            "logits",
            "tries=10,draws=1",
            "tries x draws",
        ),
    ],
)


def make_attack(spec: str) -> "Attack":
    """Builds an attack from a specification such as ``pgd:steps=100,draws=20,loss=margin``.

    Raises:
        UnknownNameError: there is no such attack.
        InputError: a key is unknown, or a value cannot be read or is out of range.
    """
    from stormbench.defenses.specs import find, read_settings

    name, _, settings = spec.partition(":")
    attack = find(ATTACKS[name.strip()].target)
    return cast("Attack", attack(**read_settings(attack, settings, spec)))
