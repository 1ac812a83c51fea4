"""Checkpoints as people publish them: brings names and parts of a state dict to those of a network."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from stormbench.errors import ModelError
from stormbench.weights import StateDict, Weights, classes_of, is_required, listed, renamed, under_prefix

Rename = Callable[[StateDict, nn.Module], StateDict]
Triple = tuple[float, float, float]

_MEANS, _STDS = ("mean", "new_mean", "mu"), ("std", "new_std", "sigma")
# Names of torchvision's DenseNet before 2018, which its published files still have: denselayer1.norm.1.weight.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.(?=[12]\.)")


@dataclass(frozen=True)
class Adapted:
    """A state dict under a network's own names.

    Attributes:
        state: what goes into the network.
        prefix: what was removed from the names.
        left_out: names of the file that do not go into the network.
        mean: of the normaliser that the file holds, if any.
        std: likewise.
    """

    state: StateDict
    prefix: str = ""
    left_out: tuple[str, ...] = ()
    mean: Triple | None = None
    std: Triple | None = None


def adapted(weights: Weights, network: nn.Module, what: str, rename: Rename | None = None) -> Adapted:
    """Brings a state dict to a network's names.

    The one prefix that explains every missing name is removed. A normaliser beside the network is read. Old DenseNet
    names are brought up to date, and those of other publishers by ``rename``, where the names do not fit as they are.

    Args:
        weights: as they were read.
        network: where it shall go.
        what: the file, for messages.
        rename: brings names to the network's, such as timm's ``checkpoint_filter_fn``.

    Raises:
        ModelError: several prefixes explain the missing names and hold different weights, or the file holds weights
            outside of the prefix that nobody knows the use of.
    """
    if not weights.prefix and _fits(weights.state, network):
        return Adapted(weights.state)
    modern = renamed(weights.state, lambda name: _OLD_DENSENET.sub(r"\1", name))
    found = _without_prefix(modern, weights.prefix, network, what)
    if rename is not None and not found.prefix and not _fits(found.state, network):
        found = replace(found, state=_by_publisher(found.state, network, rename))
    return found


def _fits(state: StateDict, network: nn.Module, prefix: str = "") -> bool:
    return all(prefix + name in state for name in _required(network))


def _required(network: nn.Module) -> list[str]:
    return [name for name in network.state_dict() if is_required(name)]


def _by_publisher(state: StateDict, network: nn.Module, rename: Rename) -> StateDict:
    """Renamed by the architecture's own function, unless it would have to resample weights of another size."""
    own = network.state_dict()
    classes = classes_of(state, network)
    other = {name for name in own.keys() & state if own[name].shape != state[name].shape}
    if other and classes is None:
        return state
    try:
        return dict(rename(dict(state), network))
    except Exception:  # made for the publisher's files; what it does not know it may fail on in any way
        return state


def _without_prefix(state: StateDict, asked: str, network: nn.Module, what: str) -> Adapted:
    explaining = [asked] if asked else _explaining(state, network)
    if not explaining:
        return Adapted(state)
    prefix, *twins = explaining
    if different := [twin for twin in twins if not _equal(state, network, prefix, twin)]:
        choices = " or ".join(f"#{each.removesuffix('.')}" for each in [prefix, *different])
        raise ModelError(f"{what} holds several sets of weights; say which one after its name: {choices}")
    rest = [name for name in state if not name.startswith(tuple(explaining)) and is_required(name)]
    mean, std, rest = _normaliser(state, rest, what)
    if rest and not asked:
        raise ModelError(
            f"{what} holds the network under {prefix!r} and beside it {listed(rest)}, of unknown use; "
            f"to leave that out, write #{prefix.removesuffix('.')} after its name"
        )
    return Adapted(under_prefix(state, prefix), prefix, tuple(rest), mean, std)


def _explaining(state: StateDict, network: nn.Module) -> list[str]:
    """Prefixes under which everything is there that the network needs, the shortest first."""
    first, *_ = [*_required(network), ""]
    prefixes = sorted({name.removesuffix(first) for name in state if first and name.endswith(f".{first}")}, key=len)
    return [prefix for prefix in prefixes if _fits(state, network, prefix)]


def _equal(state: StateDict, network: nn.Module, one: str, other: str) -> bool:
    pairs = ((state[one + name], state[other + name]) for name in _required(network))
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


def _normaliser(state: StateDict, names: list[str], what: str) -> tuple[Triple | None, Triple | None, list[str]]:
    """Mean and standard deviation of a normaliser whose tensors are among these names, and the other names."""
    found: dict[str, set[Triple]] = {"mean": set(), "std": set()}
    used = set()
    for name in names:
        last = name.rpartition(".")[2]
        kind = "mean" if last in _MEANS else "std" if last in _STDS else None
        if kind and (triple := _triple(state[name])):
            found[kind].add(triple)
            used.add(name)
    if any(len(values) > 1 for values in found.values()):
        raise ModelError(f"{what} holds several normalisers: {listed(sorted(used))}; expected one")
    if bool(found["mean"]) != bool(found["std"]):
        return None, None, names
    mean, std = (next(iter(values), None) for values in found.values())
    return mean, std, [name for name in names if name not in used]


def _triple(tensor: Tensor) -> Triple | None:
    """Three fractions of the range of pixels, one for all channels or one each."""
    values: list[Any] = tensor.flatten().tolist()
    if len(values) not in (1, 3) or not all(0 <= value <= 1 for value in values):
        return None
    red, green, blue = values * (3 // len(values))
    return red, green, blue
