"""The one door through which torchvision and timm are imported.

The package index's torchvision is built against CUDA. Beside a torch without CUDA it cannot load its compiled
operators and gives up on import (``operator torchvision::nms does not exist``), although models and transforms need
none of them. Declaring the signatures of the two operators it looks for lets the import pass; calling them still fails,
as it should. Where torchvision loads by itself nothing is done.
"""

import importlib
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TypeVar

import torch

from stormbench.errors import MissingDependencyError

Found = TypeVar("Found")

_LOOKED_FOR = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@cache
def import_torchvision() -> ModuleType:
    """Imports torchvision.

    Raises:
        MissingDependencyError: it is not installed, or does not fit the installed torch.
    """
    try:
        return importlib.import_module("torchvision")
    except ImportError as error:
        raise MissingDependencyError(f"torchvision cannot be imported ({error}); `pip install torchvision`") from error
    except RuntimeError as error:
        if "does not exist" not in str(error):
            raise MissingDependencyError(f"torchvision does not fit torch {torch.__version__}: {error}") from error
    for operator in _LOOKED_FOR:
        torch.library.define(f"torchvision::{operator}", _SIGNATURE)
    return importlib.import_module("torchvision")


@cache
def import_timm() -> ModuleType:
    """Imports timm, which imports torchvision.

    Raises:
        MissingDependencyError: it is not installed.
    """
    import_torchvision()
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        message = f"timm cannot be imported ({error}); `pip install 'stormbench[timm]'`"
        raise MissingDependencyError(message) from error


def guarded(call: Callable[[], Found]) -> Found:
    """Calls the user's code, which may import torchvision by itself.

    Where that fails for the operators that torchvision looks for, they are declared and the code is called once more.
    """
    try:
        return call()
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    import_torchvision()
    return call()
