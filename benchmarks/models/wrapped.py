"""Models that the user has in hand: a network, or any function on tensors."""

import copy
import hashlib
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.models.probing import told
from stormbench.datasets.preprocessing import Preprocessing, Triple
from stormbench.errors import InputError, ModelError
from stormbench.execution.by_value import dumps_by_value, modules_unknown_elsewhere
from stormbench.weights import digest_of

_LONGEST_NAME = 200


def wrap(
    network: Callable[[Tensor], Tensor],
    *,
    name: str,
    mean: Triple | None = None,
    std: Triple | None = None,
    size: int | None = None,
    interpolation: str | None = None,
) -> Model:
    """Makes a model of a network or a function, to be evaluated like those that are loaded by name.

    A network is copied as it is now, to the CPU and into evaluation mode: the user's own stays in its mode, and to
    train it on does not change the model. A function is called as it is; networks that it uses are set to evaluation
    mode, and their weights count towards the digest.

    Args:
        network: from normalised images ``(N, 3, H, W)`` float RGB to logits ``(N, K)``.
        name: what tables, charts and result files call it.
        mean: subtracted from each channel of pixels in [0, 1]; nothing where it is left out.
        std: divides each channel afterwards; likewise.
        size: side of the square images that the network was made for, to which others are resized; None takes any.
        interpolation: how they are resized: ``nearest``, ``bilinear`` (default) or ``bicubic``.

    Raises:
        InputError: the name is empty, too long or looks like a source of models (``timm:...``), or a number is wrong.
        ModelError: the network cannot be copied or called, or does not give logits.
    """
    _refuse_name(name)
    if not callable(network):
        raise InputError(f"{name} is a {type(network).__name__}; expected an nn.Module or a function on tensors")
    changes = {"mean": mean, "std": std, "resize": size, "crop": size, "interpolation": interpolation}
    preprocessing = Preprocessing().changed(changes)
    module = _copied(network, name) if isinstance(network, nn.Module) else Function(network)
    return Model(module, name, preprocessing)


def _refuse_name(name: Any) -> None:
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InputError(f"the name of a model is printable text of 1 to {_LONGEST_NAME} characters, not {name!r}")
    if ":" in name:
        raise InputError(f"the name {name!r} has a colon, as the sources of models that are loaded; leave it out")


def _copied(network: nn.Module, name: str) -> nn.Module:
    try:
        return copy.deepcopy(network).cpu()
    except Exception as error:  # whatever the network holds may raise anything
        raise ModelError(
            f"{name} cannot be copied ({told(error)}); to have it used as it is, wrap a function that calls it"
        ) from None


class Function(nn.Module):
    """A function as a network: the networks that it uses are its children, the rest of it a digest among its buffers.

    The digest covers the function's code and every plain value that it closes over, so that two functions do not pass
    as one model. What it looks up when it is called (files, attributes changed later) is not seen.

    Args:
        function: from normalised images ``(N, 3, H, W)`` to logits ``(N, K)``.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        parts = list(_parts(function, set()))
        networks = {id(part): part for part in parts if isinstance(part, nn.Module)}
        self.function = function
        self.networks = nn.ModuleList(networks.values())
        content = hashlib.sha256()
        for part in parts:
            content.update(_told(part))
        self.register_buffer("code_digest", torch.frombuffer(bytearray(content.digest()), dtype=torch.uint8))

    def forward(self, images: Tensor) -> Tensor:
        """What the function says of images."""
        return self.function(images)

    def __reduce__(self) -> tuple[Callable[[bytes], "Function"], tuple[bytes]]:
        # The function and its networks in one: they stay the same objects, and come from this process by value, not
        # by an import in the other process, which could initialise other weights.
        modules = modules_unknown_elsewhere([self.function, *self.networks.modules()])
        modules += [sys.modules[self.function.__module__]] if isinstance(self.function, FunctionType) else []
        return _revive, (dumps_by_value(vars(self), modules),)


def _revive(state: bytes) -> Function:
    module = Function.__new__(Function)
    nn.Module.__init__(module)
    module.__dict__.update(pickle.loads(state))
    return module


def _parts(found: Any, seen: set[int]) -> Iterator[Any]:
    """What a function consists of: itself, and what it is bound to, closes over or names, down to networks."""
    if id(found) in seen:
        return
    seen.add(id(found))
    yield found
    for part in () if isinstance(found, nn.Module) else _inside(found):
        yield from _parts(part, seen)


def _inside(found: Any) -> list[Any]:
    if isinstance(found, partial):
        return [found.func, *found.args, *found.keywords.values()]
    if isinstance(found, list | tuple):
        return list(found)
    if isinstance(found, dict):
        return list(found.values())
    if isinstance(found, MethodType):
        return [found.__func__, found.__self__]
    if isinstance(found, FunctionType):
        return _inside_function(found)
    own = vars(found).values() if callable(found) and hasattr(found, "__dict__") else ()
    return [type(found).__call__, *own] if own else []


def _inside_function(function: FunctionType) -> list[Any]:
    named = [function.__globals__.get(name) for name in function.__code__.co_names]
    used = [part for part in named if isinstance(part, nn.Module | Tensor)]
    return [function.__code__, *_closed_over(function), *(function.__defaults__ or ()), *used]


def _closed_over(function: FunctionType) -> list[Any]:
    found = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # a name that has no value yet
            found.append(cell.cell_contents)
    return found


def _told(part: Any) -> bytes:
    """What the digest takes of a part; of networks only the kind, because their weights are digested by themselves."""
    if isinstance(part, CodeType):
        return part.co_code + repr((part.co_names, part.co_varnames)).encode() + b"".join(map(_told, part.co_consts))
    if isinstance(part, Tensor):
        return digest_of({"": part}).encode()
    if isinstance(part, np.ndarray):
        return f"{part.dtype}{part.shape}".encode() + part.tobytes()
    if isinstance(part, frozenset):
        return repr(sorted(map(repr, part))).encode()
    plain = part is None or isinstance(part, int | float | complex | str | bytes)
    return (repr(part) if plain else f"{type(part).__module__}.{type(part).__qualname__}").encode() + b"\n"
