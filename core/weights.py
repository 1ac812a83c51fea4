"""Weights from files, without running code from them."""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stormbench.errors import ModelError

StateDict = dict[str, Tensor]


# Where training scripts put the state dict, in the order of looking.
_CONTAINERS = ("state_dict", "model_state_dict", "model", "net")


# What DataParallel and torch.compile put in front of every name.
_WRAPPERS = ("module.", "_orig_mod.")


_NAMED_AT_MOST = 5


def read_state_dict(path: Path) -> StateDict:
    """Reads a state dict from a ``.safetensors`` file or whatever ``torch.save`` wrote.

    Containers that training scripts use (``{"state_dict": ...}``, a list with the state dict first) are opened and the
    prefixes of wrappers removed.

    Raises:
        ModelError: the file is missing or damaged, needs code to be read, or holds no state dict.
    """
    if not path.is_file():
        raise ModelError(f"there is no checkpoint {path}")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    return _without_wrappers(_unpacked(content, path))


def _read_safetensors(path: Path) -> StateDict:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: StateDict = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is not a safetensors file: {error}") from None
    return tensors


def _read_pickle(path: Path) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # torch remarks on old formats that it reads all the same
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "weights_only" not in str(error).lower() and "Unsupported" not in str(error):
            raise ModelError(f"{path} is not a checkpoint that torch can read: {_line(error)}") from None
        raise ModelError(
            f"{path} holds more than weights and could run code when read ({_line(error)}); if you trust its origin, "
            "read it once with torch.load(..., weights_only=False) and save its state dict alone"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} is not a checkpoint that torch can read: {_line(error)}") from None


def _line(error: Exception) -> str:
    """The telling part of an error in which torch explains itself at length."""
    _, _, cause = str(error).partition("WeightsUnpickler error: ")
    first, *_ = (cause or f"{type(error).__name__}: {error}").splitlines()
    return first.partition(" was not an allowed global")[0].strip()


def _unpacked(content: Any, path: Path) -> StateDict:
    if isinstance(content, list | tuple) and content:
        content = content[0]
    if _is_state_dict(content):
        return dict(content)
    if isinstance(content, Mapping):
        for name in _CONTAINERS:
            if name in content:
                return _unpacked(content[name], path)
        found = f"a dictionary of {_listed(list(map(str, content)))}"
    else:
        found = f"a {type(content).__name__}"
    raise ModelError(f"{path} holds {found}; expected a state dict, bare or under one of {', '.join(_CONTAINERS)}")


def _is_state_dict(content: Any) -> bool:
    return isinstance(content, Mapping) and bool(content) and all(isinstance(v, Tensor) for v in content.values())


def _without_wrappers(state: StateDict) -> StateDict:
    for prefix in _WRAPPERS:
        if all(name.startswith(prefix) for name in state):
            return _without_wrappers({name.removeprefix(prefix): tensor for name, tensor in state.items()})
    return state


def classes_of(state: StateDict, network: nn.Module) -> int | None:
    """How many classes a fine-tuned checkpoint has, where that is all in which it differs from the network.

    Returns:
        The first dimension that all tensors of another shape share, while they agree in the others; else None.
    """
    own = network.state_dict()
    differing = [
        (own[name].shape, state[name].shape) for name in own.keys() & state if own[name].shape != state[name].shape
    ]
    counts = {(ours[:1], theirs[:1]) for ours, theirs in differing if ours[1:] == theirs[1:]}
    if len(counts) != 1 or any(ours[1:] != theirs[1:] for ours, theirs in differing):
        return None
    return next(int(theirs[0]) for _, theirs in counts)


def load_weights(network: nn.Module, state: StateDict, *, path: Path, architecture: str) -> None:
    """Puts weights into a network, all of them or none.

    Raises:
        ModelError: names are missing or left over, or shapes differ; the message names them.
    """
    own = network.state_dict()
    complaints = {
        "of another shape": [
            f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
            for name in sorted(own.keys() & state)
            if own[name].shape != state[name].shape
        ]
    }
    if not complaints["of another shape"]:  # torch itself forgives what old checkpoints lack and networks do without
        left = network.load_state_dict(state, strict=False)
        complaints |= {"missing": left.missing_keys, "unexpected": left.unexpected_keys}
    if told := "; ".join(f"{len(names)} {what}: {_listed(names)}" for what, names in complaints.items() if names):
        raise ModelError(f"{path} does not fit {architecture}: {told}")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_NAMED_AT_MOST]) + (
        f", and {len(names) - _NAMED_AT_MOST} more" if len(names) > _NAMED_AT_MOST else ""
    )
