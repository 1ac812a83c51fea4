"""Weights with a card in one ``.safetensors`` file: what all trained models share."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from stormbench.errors import ModelError
from stormbench.files import start_of
from stormbench.weights import digest_of


def read_safetensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads weights and metadata without running code.

    Args:
        path: the file.
        kind: what it should be, for messages: ``checkpoint``.

    Raises:
        ModelError: there is no such file, or it is no safetensors file.
    """
    start_of(path, kind)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, MemoryError) as error:
        raise ModelError(f"{path} is not a safetensors file: {error}") from None


def check_digest(state: Mapping[str, Tensor], wanted: str, path: Path) -> None:
    """Refuses weights that were changed after they were written.

    Raises:
        ModelError: so it is.
    """
    if digest_of(state) != wanted:
        raise ModelError(f"{path} was changed after it was written: its weights do not have the digest on its card")
