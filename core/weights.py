"""Weights: reads state dicts without running code, fits them into networks, writes them, digests them."""

import hashlib
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from stormbench.errors import ModelError
from stormbench.files import atomic_write, start_of

StateDict = dict[str, Tensor]

# Where training scripts put the state dict, in the order of looking: as trained, then averaged over the training.
AVERAGED = ("state_dict_ema", "model_ema", "ema", "ema_state_dict", "averaged_model_state_dict")
CONTAINERS = (
    *("state_dict", "model_state_dict", "model", "net", "model_state", "state", "weights", "last"),
    *AVERAGED,
    *("unaveraged_model_state_dict", "module", "shadow"),
)
# What DataParallel and torch.compile put in front of every name.
WRAPPERS = ("module.", "_orig_mod.")
_COUNTER = "n_averaged"  # of torch.optim.swa_utils.AveragedModel
_UNTRAINED = "num_batches_tracked"  # absent from checkpoints of torch 0.4 and before, and of no use in evaluation
_MAGIC = (b"PK\x03\x04", b"\x80")  # a zip archive, a pickle of protocol 2 or later
_NAMED_AT_MOST = 5
_UNPACKED_AT_MOST = 20  # pruned weights that somebody compressed again shrink to a tenth


@dataclass(frozen=True)
class Weights:
    """A state dict and where in its file it was found.

    Attributes:
        state: names to tensors, an ``OrderedDict`` that keeps torch's ``_metadata``.
        part: the key it was taken from; empty where the file is a bare state dict.
        prefix: of the names that were asked for; the state dict still holds the others.
        others: other keys of the file that hold state dicts.
    """

    state: StateDict
    part: str = ""
    prefix: str = ""
    others: tuple[str, ...] = ()


def read_weights(
    path: Path, part: str = "", *, containers: Sequence[str] = CONTAINERS, wrappers: Sequence[str] = WRAPPERS
) -> Weights:
    """Reads a state dict from a ``.safetensors`` file or from whatever ``torch.save`` wrote.

    Args:
        path: the file.
        part: key of the container in the file, or the prefix of names, to take; ``ema`` means any averaged weights.
            Empty takes the first of ``containers``.
        containers: keys under which a state dict is looked for.
        wrappers: prefixes to remove where all names have them.

    Raises:
        ModelError: the file is missing or damaged, needs code to be read, or holds no such state dict.
    """
    content = read_content(path)
    taken = _taken(content, part, containers)
    state = _state_in(content if taken is None else content[taken], containers)
    if state is None:
        expected = ", ".join(containers[:4])
        raise ModelError(
            f"{path} holds {_described(content)}; expected a state dict, bare or under a key such as {expected}"
        )
    _refuse_unusual(state, path)
    state, prefix = _without_wrappers(state, wrappers), ""
    if part and taken is None:
        prefix = f"{_stripped(part, wrappers)}."
        if not any(name.startswith(prefix) for name in state):
            raise ModelError(f"{path} has no part {part!r}; it holds {_described(content)}")
    others = tuple(name for name in _parts(content, containers) if name != taken)
    return Weights(state, taken or "", prefix, others)


def read_content(path: Path) -> Any:
    """Reads whatever a ``.safetensors`` file or a ``torch.save`` file holds, without running code from it.

    Raises:
        ModelError: the file is missing or damaged, or needs code to be read.
    """
    start = start_of(path, "checkpoint")
    try:
        return load_file(path) if path.suffix == ".safetensors" else _read_pickle(path, start)
    except ModelError:
        raise
    except Exception as error:  # a damaged file raises whatever its bytes happen to mean
        kind = "a safetensors file" if path.suffix == ".safetensors" else "a checkpoint that torch can read"
        raise ModelError(f"{path} is not {kind}: {_line(error)}") from None


def _read_pickle(path: Path, start: bytes) -> Any:
    if not start.startswith(_MAGIC) and start[257:262] != b"ustar":
        raise ModelError(f"{path} is not a checkpoint that torch can read: it is neither a zip archive nor a pickle")
    if start.startswith(_MAGIC[0]):
        _refuse_swollen(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # torch remarks on old formats that it reads all the same
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        told = str(error)
        if "TorchScript" in told:
            raise ModelError(
                f"{path} is a TorchScript archive, a compiled program and not weights alone; "
                "save the state_dict() of the network it was made from, or load it in a factory: python:FILE.py:FACTORY"
            ) from None
        if "Unsupported global" not in told and "Unsupported class" not in told:
            raise
        raise ModelError(
            f"{path} holds more than weights and could run code when read ({_line(error)}); if you trust its origin, "
            "read it once with torch.load(..., weights_only=False) and save its state dict alone"
        ) from None


def _refuse_swollen(path: Path) -> None:
    """torch.save does not compress; an archive that does can hold a thousand times what it weighs."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(each.file_size for each in archive.infolist())
    if unpacked > _UNPACKED_AT_MOST * path.stat().st_size:
        raise ModelError(
            f"{path} would unpack to {unpacked} bytes, over {_UNPACKED_AT_MOST} times its own size; expected a "
            "checkpoint as torch.save writes it"
        )


def _line(error: Exception) -> str:
    """The telling part of an error in which torch explains itself at length."""
    _, _, cause = str(error).partition("WeightsUnpickler error: ")
    first, *_ = (cause or f"{type(error).__name__}: {error}").splitlines()
    return first.partition(" was not an allowed global")[0].strip()


def _parts(content: Any, containers: Iterable[str]) -> list[str]:
    if not isinstance(content, Mapping) or _is_state_dict(content):
        return []
    return [name for name in containers if name in content and _state_in(content[name], containers) is not None]


def _taken(content: Any, part: str, containers: Sequence[str]) -> str | None:
    """The key of the container to open; None where the content itself is to be looked at."""
    if part:
        wanted = (part, *(AVERAGED if part == "ema" else ()))
        return next((name for name in wanted if isinstance(content, Mapping) and name in content), None)
    return next(iter(_parts(content, containers)), None)


def _state_in(content: Any, containers: Iterable[str]) -> StateDict | None:
    if isinstance(content, list | tuple) and content:
        content = content[0]
    if _is_state_dict(content):
        return _ordered(content, getattr(content, "_metadata", None))
    if not isinstance(content, Mapping):
        return None
    found = (_state_in(content[name], containers) for name in containers if name in content)
    return next((state for state in found if state is not None), None)


def _is_state_dict(content: Any) -> bool:
    return isinstance(content, Mapping) and bool(content) and all(isinstance(v, Tensor) for v in content.values())


def _described(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"a dictionary of {listed(list(map(str, content)))}"
    return f"a {type(content).__name__}"


def _refuse_unusual(state: StateDict, path: Path) -> None:
    for name, tensor in state.items():
        kinds = {"meta": tensor.is_meta, "quantised": tensor.is_quantized, "sparse": tensor.layout != torch.strided}
        if unusual := [kind for kind, is_so in kinds.items() if is_so]:
            raise ModelError(f"{path} holds {name} as a {unusual[0]} tensor; expected dense weights")


def _ordered(tensors: Mapping[str, Tensor], metadata: Mapping[str, Any] | None) -> StateDict:
    state: StateDict = OrderedDict(tensors)
    if metadata is not None:
        state._metadata = OrderedDict(metadata)  # type: ignore[attr-defined] # torch keeps it so
    return state


def renamed(state: StateDict, rename: Callable[[str], str | None]) -> StateDict:
    """The state dict under other names, torch's ``_metadata`` of its modules included; None leaves a name out."""
    metadata = getattr(state, "_metadata", None)
    modules = {rename(f"{name}."): value for name, value in metadata.items()} if metadata is not None else None
    tensors = {new: tensor for name, tensor in state.items() if (new := rename(name))}
    kept = {name[:-1]: value for name, value in modules.items() if name is not None} if modules is not None else None
    return _ordered(tensors, kept)


def under_prefix(state: StateDict, prefix: str) -> StateDict:
    """The tensors whose names start with a prefix, under names without it."""
    return renamed(state, lambda name: name.removeprefix(prefix) if name.startswith(prefix) else None)


def _without_wrappers(state: StateDict, wrappers: Sequence[str]) -> StateDict:
    for prefix in wrappers:
        if state.keys() - {_COUNTER} and all(name.startswith(prefix) or name == _COUNTER for name in state):
            return _without_wrappers(under_prefix(state, prefix), wrappers)
    return state


def _stripped(name: str, wrappers: Sequence[str]) -> str:
    for prefix in wrappers:
        if name.startswith(prefix):
            return _stripped(name.removeprefix(prefix), wrappers)
    return name


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
    return next(int(theirs[0]) for _, theirs in counts if theirs)


def load_weights(network: nn.Module, state: StateDict, *, path: Path, architecture: str, strict: bool = False) -> None:
    """Puts weights into a network, all of them or none.

    Args:
        network: what they go into.
        state: the weights.
        path: where they come from, for the message.
        architecture: what the network is called, for the message.
        strict: refuse also what torch forgives: counters that old checkpoints lack.

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
    if strict:
        complaints |= {"missing": sorted(own.keys() - state), "unexpected": sorted(state.keys() - own)}
    if not any(complaints.values()):
        left = _loaded(network, state)
        complaints |= {"missing": left.missing_keys, "unexpected": left.unexpected_keys}
    if told := "; ".join(f"{len(names)} {what}: {listed(names)}" for what, names in complaints.items() if names):
        raise ModelError(f"{path} does not fit {architecture}: {told}")


def _loaded(network: nn.Module, state: StateDict) -> Any:
    try:
        return network.load_state_dict(state, strict=False)
    except ValueError:  # torchvision's mnasnet asks for a version, which safetensors files do not hold
        left = network.load_state_dict(_ordered(state, getattr(network.state_dict(), "_metadata", None)), strict=False)
        left.missing_keys[:] = [name for name in left.missing_keys if not name.endswith(_UNTRAINED)]
        return left


def is_required(name: str) -> bool:
    """Whether a network cannot do without the tensor of this name."""
    return not name.endswith(_UNTRAINED)


def digest_of(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names, types, shapes and bytes of weights, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name}\x1f{tensor.dtype}\x1f{tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def write_weights(network: nn.Module, path: Path) -> None:
    """Writes a network's weights as ``.safetensors``, whole or not at all."""
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    atomic_write(path, to_safetensors(state), durable=True)


def listed(names: list[str]) -> str:
    """The first few of many names, and how many more there are."""
    more = f", and {len(names) - _NAMED_AT_MOST} more" if len(names) > _NAMED_AT_MOST else ""
    return ", ".join(names[:_NAMED_AT_MOST]) + more
