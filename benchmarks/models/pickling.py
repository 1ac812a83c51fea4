"""Makes bytes of a network that another process can read, also where its classes are in no module it could import."""

import pickle
from types import ModuleType
from typing import Any

from torch import nn

from stormbench.benchmarks.models.probing import told
from stormbench.benchmarks.models.python_files import FILE_MODULES
from stormbench.errors import ModelError
from stormbench.execution.by_value import dumps_by_value, modules_unknown_elsewhere


def dumps(content: dict[str, Any], network: nn.Module, source: str) -> bytes:
    """Pickles what a model consists of; ``pickle.loads`` reads it.

    Classes are named where another process can import them, and travel by value (cloudpickle) where not: those of a
    notebook, of a file that the user's code loaded by itself, or of a function's body.

    Args:
        content: of the model; ``code`` is the Python file that it was loaded from, if any.
        network: whose classes are looked at.
        source: what the model is called, for the message.

    Raises:
        ModelError: something in the network cannot be pickled, such as an open file or a lock.
    """
    by_value = _unknown_elsewhere(network, carries_its_file=content.get("code") is not None)
    if not by_value:
        try:
            return pickle.dumps(content)
        except Exception:  # lambdas, local classes: cloudpickle may still know what to do
            pass
    try:
        return dumps_by_value(content, by_value)
    except Exception as error:
        raise ModelError(
            f"{source} cannot be sent to worker processes ({told(error)}); use --workers 0, or keep what cannot be "
            "pickled out of the network"
        ) from None


def _unknown_elsewhere(network: nn.Module, *, carries_its_file: bool) -> list[ModuleType]:
    """The modules of the network's classes that a new process could not import.

    A model that was loaded from a Python file has that file with it; a wrapped one has not.
    """
    unknown = modules_unknown_elsewhere(network.modules())
    return [module for module in unknown if not (carries_its_file and module.__name__.startswith(FILE_MODULES))]
