"""Conditional models at one trade-off: ``PATH@lam=0.2,width=0.5``."""

import re
from pathlib import Path

from stormbench.defenses.oat.card import read_checkpoint
from stormbench.defenses.oat.model import ConditionalModel, ModelAt
from stormbench.defenses.specs import read_settings
from stormbench.errors import ModelError


def load(identifier: str) -> tuple[ModelAt, str]:
    """Reads a checkpoint and chooses lambda and width.

    Args:
        identifier: the file, and after an ``@`` the settings; a model that is dedicated to one lambda needs none.

    Returns:
        The plain model, and the identifier with both numbers written out.

    Raises:
        ModelError: the file is no such checkpoint, or no lambda is chosen.
        InputError: a setting is unknown, or lambda or width was not trained.
    """
    path, settings = _split(identifier)
    model, _ = read_checkpoint(Path(path))
    chosen = read_settings(_at, settings, f"oat:{identifier}")
    if "lam" not in chosen and len(model.spec.lambdas) > 1:
        known = ", ".join(f"{each:g}" for each in model.spec.lambdas)
        raise ModelError(f"'oat:{identifier}' names no trade-off; write oat:{path}@lam=LAMBDA with one of {known}")
    found = _at(model, **{"lam": model.spec.lambdas[0]} | chosen)
    return found, identifier_at(path, found.lam, found.width)


def identifier_at(path: str | Path, lam: float, width: float) -> str:
    """How a checkpoint is named at one trade-off; the full width goes without saying.

    Example:
        >>> identifier_at("run/model.safetensors", 0.2, 0.5)
        'run/model.safetensors@lam=0.2,width=0.5'
    """
    return f"{path}@lam={lam:g}" + (f",width={width:g}" if width != 1 else "")


def _split(identifier: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.+?)@([a-z]+=[^@/\\]*)", identifier)
    return (match[1], match[2]) if match else (identifier, "")


def _at(model: ConditionalModel, *, lam: float, width: float = 1.0) -> ModelAt:
    return model.at(lam, width)
