"""Specifications such as ``rain:shift=0.05,upsampler=edsr``, read against a defense's constructor."""

import importlib
import inspect
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal, get_args, get_origin, get_type_hints

from torch import nn

from stormbench.defenses.base import Defense
from stormbench.defenses.registry import DEFENSES
from stormbench.errors import InputError
from stormbench.plugins import is_own, load_object

NEXT = " + "  # between nested defenses; spaces, since paths of weights may hold a plus sign
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_READERS: dict[type, Callable[[str], Any]] = {
    int: int,
    float: lambda text: float(Fraction(text)),
    bool: lambda text: _TRUTH[text.lower()],
    str: str,
}


def defend(model: nn.Module, spec: str) -> Defense:
    """Puts a defense in front of a model; the defended model obeys the same contract, so calls nest.

    Args:
        model: from ``(N, 3, H, W)`` float RGB in [0, 1] to logits ``(N, K)``.
        spec: the defense's name, and after a colon the settings that differ from its defaults: ``jpeg:quality=50``.
            Of several, with a plus sign between spaces (``jpeg + rain:shift=0``), the first sees the images first.

    Raises:
        UnknownNameError: there is no such defense.
        InputError: a key is unknown, or a value cannot be read or is out of range.
        ModelError: an enhancer's weights cannot be used.
    """
    outer, several, inner = spec.partition(NEXT)
    if several:
        model = defend(model, inner)
    name, settings = split_spec(outer)
    defense: type[Defense] = find(DEFENSES[name].target)
    return defense(model, **read_settings(defense, settings, outer.strip()))


def split_spec(spec: str) -> tuple[str, str]:
    """Name and settings of one defense; the name of the user's own has colons itself.

    Example:
        >>> split_spec("jpeg:quality=50"), split_spec("python:mine.py:Blinds:width=3")
        (('jpeg', 'quality=50'), ('python:mine.py:Blinds', 'width=3'))
    """
    parts = spec.strip().split(":")
    words = 3 if is_own(spec.strip()) else 1
    return ":".join(parts[:words]).strip(), ":".join(parts[words:])


def find(target: str) -> Any:
    """Imports what ``module:Name`` names, or what the user's own ``python:FILE.py:Name`` does."""
    if is_own(target):
        return load_object(target)
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def read_settings(function: Callable[..., Any], settings: str, spec: str) -> dict[str, Any]:
    """Reads ``key=value,key=value`` as keyword arguments of a function, converted to their annotated types.

    Args:
        function: a function or a class; its keyword-only parameters are the keys, and those of a typed dictionary that
            it unpacks (``**more: Unpack[Voting]``).
        settings: the text; may be empty.
        spec: the whole specification, for messages.

    Raises:
        InputError: a key is unknown, stands twice or has no value, or a value cannot be read.

    Example:
        >>> def jpeg(model, *, quality: int = 75): ...
        >>> read_settings(jpeg, "quality=50", "jpeg:quality=50")
        {'quality': 50}
    """
    types = _keyword_types(function)
    values: dict[str, Any] = {}
    for part in filter(None, map(str.strip, settings.split(","))):
        key, equals, text = (piece.strip() for piece in part.partition("="))
        if key not in types:
            raise InputError(f"{spec!r}: there is no setting {key!r}; there are: {', '.join(types)}")
        if key in values or not equals:
            raise InputError(f"{spec!r}: write {key}=VALUE once, with commas between settings")
        values[key] = _convert(types[key], text, f"{spec!r}: {key}")
    return values


def _keyword_types(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    types = {each.name: each.annotation for each in parameters if each.kind is each.KEYWORD_ONLY}
    for each in parameters:
        if each.kind is each.VAR_KEYWORD:
            (unpacked,) = get_args(each.annotation)
            types |= get_type_hints(unpacked)
    return types


def _convert(wanted: Any, text: str, where: str) -> Any:
    if get_origin(wanted) is Literal:
        choices = {str(choice): choice for choice in get_args(wanted)}
        if text not in choices:
            raise InputError(f"{where} is one of {', '.join(choices)}, not {text!r}")
        return choices[text]
    try:
        return _READERS[wanted](text)
    except (ValueError, KeyError, ZeroDivisionError):
        raise InputError(f"{where} wants {wanted.__name__}, not {text!r}") from None
