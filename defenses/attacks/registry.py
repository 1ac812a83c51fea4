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
    """

    name: str
    summary: str
    target: str
    needs: str


_HERE = "stormbench.defenses.attacks"


ATTACKS = Registry(
    "attack",
    [
        AttackEntry("fgsm", "one signed step (Goodfellow 2015, 1412.6572)", f"{_HERE}.pgd:FGSM", "gradients"),
        AttackEntry("pgd", "projected gradient descent (Madry 2018, 1706.06083)", f"{_HERE}.pgd:PGD", "gradients"),
        AttackEntry(
            "apgd",
            "Auto-PGD with CE or DLR, step sizes chosen on the way (Croce 2020, 2003.01690)",
            f"{_HERE}.apgd:APGD",
            "gradients",
        ),
        AttackEntry(
            "deepfool",
            "the nearest linearised boundary (Moosavi-Dezfooli 2016, 1511.04599)",
            f"{_HERE}.deepfool:DeepFool",
            "gradients",
        ),
        AttackEntry(
            "cw",
            "the smallest L2 change by Adam (Carlini 2017, 1608.04644)",
            f"{_HERE}.carlini:CarliniWagner",
            "gradients",
        ),
        AttackEntry(
            "square",
            "random search with squares, no gradients (Andriushchenko 2020, 1912.00049)",
            f"{_HERE}.square:Square",
            "logits",
        ),
        AttackEntry("noise", "random points on the edge: the control", f"{_HERE}.noise:Noise", "logits"),
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
