"""Makes bytes of a network that another process can read, also where its classes are in no module it could import."""

import pickle
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from torch import nn

from stormbench.benchmarks.models.probing import told
from stormbench.benchmarks.models.python_files import FILE_MODULES
from stormbench.errors import ModelError


def dumps(content: dict[str, Any], network: nn.Module, source: str) -> bytes:
    """Pickles what a model consists of; ``pickle.loads`` reads it.

    Classes are named where another process can import them, and travel by value (cloudpickle) where not: those of a
    notebook, of a file that the user's code loaded by itself, or of a function's body.

    Args:
        content: of the model.
        network: whose classes are looked at.
        source: what the model is called, for the message.

    Raises:
        ModelError: something in the network cannot be pickled, such as an open file or a lock.
    """
    by_value = _unknown_elsewhere(network)
    if not by_value:
        try:
            return pickle.dumps(content)
        except Exception:  # lambdas, local classes: cloudpickle may still know what to do
            pass
    try:
        return _by_value(content, by_value)
    except Exception as error:
        raise ModelError(
            f"{source} cannot be sent to worker processes ({told(error)}); use --workers 0, or keep what cannot be "
            "pickled out of the network"
        ) from None


def _by_value(content: dict[str, Any], modules: Iterable[ModuleType]) -> bytes:
    import cloudpickle

    registered = [module for module in modules if module.__name__ not in cloudpickle.list_registry_pickle_by_value()]
    for module in registered:
        cloudpickle.register_pickle_by_value(module)
    try:
        found: bytes = cloudpickle.dumps(content)
    finally:
        for module in registered:
            cloudpickle.unregister_pickle_by_value(module)
    return found


def _unknown_elsewhere(network: nn.Module) -> list[ModuleType]:
    """The modules of the network's classes that a new process could not import."""
    names = {type(part).__module__ for part in network.modules()}
    return [sys.modules[name] for name in sorted(names) if name in sys.modules and not _is_importable(name)]


def _is_importable(name: str) -> bool:
    root = name.partition(".")[0]
    if root == "__main__":
        return False
    finders = (getattr(finder, "find_spec", None) for finder in sys.meta_path)
    return name.startswith(FILE_MODULES) or any(find(root, None) for find in finders if find)
