"""Reading and writing the weights of enhancers."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load as read_safetensors
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from stormbench.errors import ModelError
from stormbench.files import atomic_write

Weights = Mapping[str, Tensor]
Network = TypeVar("Network", bound=nn.Module)

_WRAPPINGS = ("module.", "model.")  # left in the keys by parallel training and by the EDSR authors' model class


def read_weights(path: Path) -> Weights:
    """Reads a state dict, without running any code that the file may hold, and unwraps its keys.

    Raises:
        ModelError: there is no such file, or it holds no state dict.
    """
    try:
        found = _read_any(path)
    except OSError as error:
        raise ModelError(f"cannot read the weights {path}: {error.strerror}") from None
    except Exception as error:  # a broken pickle raises whatever its bytes happen to mean
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(f"{path} is no .safetensors and no plain PyTorch state dict: {reason}") from None
    for key in ("state_dict", "params"):
        found = found.get(key, found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not found or not all(isinstance(value, Tensor) for value in found.values()):
        raise ModelError(f"{path} holds no state dict (names to tensors)")
    for wrapping in _WRAPPINGS:
        if all(key.startswith(wrapping) for key in found):
            found = {key.removeprefix(wrapping): value for key, value in found.items()}
    return found


def _read_any(path: Path) -> object:
    if path.suffix == ".safetensors":
        return read_safetensors(path.read_bytes())
    return torch.load(path, map_location="cpu", weights_only=True)


def fill(network: Network, weights: Weights, path: Path) -> Network:
    """Copies weights into a network that has exactly these.

    Args:
        network: what is filled.
        weights: its state dict.
        path: where they come from, for the message.

    Raises:
        ModelError: names or shapes differ; the message gives the first difference.
    """
    wanted = network.state_dict()
    for name in [*wanted, *weights]:
        if name not in weights or name not in wanted or weights[name].shape != wanted[name].shape:
            has = tuple(weights[name].shape) if name in weights else "nothing"
            wants = tuple(wanted[name].shape) if name in wanted else "nothing"
            raise ModelError(
                f"{path} does not hold the weights of {type(network).__name__}: at {name} it has {has}, wanted {wants}"
            )
    network.load_state_dict(dict(weights))
    return network


def write_weights(network: nn.Module, path: Path) -> None:
    """Writes a network's weights as ``.safetensors``, whole or not at all."""
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    atomic_write(path, to_safetensors(weights), durable=True)
