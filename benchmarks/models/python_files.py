"""Models that a function of the user's returns: the only source that runs code, because the user named it."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from stormbench.benchmarks.models.probing import told
from stormbench.datasets.preprocessing import Preprocessing
from stormbench.errors import ModelError, UnknownNameError
from stormbench.torchvision_guard import guarded

# How the modules are named that are made of files.
FILE_MODULES = "stormbench_file_"


@dataclass(frozen=True)
class PythonFile:
    """A file of Python code outside of any package.

    Unpickling one imports the file again, so that worker processes know the classes that it defines.

    Attributes:
        path: absolute.
    """

    path: Path

    def load(self) -> ModuleType:
        """Imports the file, once per process, under a name made from its path.

        Raises:
            ModelError: there is no such file, or its code fails; the cause is attached.
        """
        name = f"{FILE_MODULES}{blake2b(str(self.path).encode(errors='surrogateescape'), digest_size=8).hexdigest()}"
        if name in sys.modules:
            return sys.modules[name]
        if not self.path.is_file():
            what = "is no regular file" if self.path.exists() else "does not exist"
            raise ModelError(f"there is no Python file {self.path}: it {what}")
        try:
            return guarded(lambda: _executed(name, self.path))
        except (Exception, SystemExit) as error:
            raise ModelError(f"{self.path} cannot be imported: {told(error)}") from error

    def __reduce__(self) -> tuple[Callable[[Path], "PythonFile"], tuple[Path]]:
        return _loaded, (self.path,)


def _executed(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _loaded(path: Path) -> PythonFile:
    file = PythonFile(path)
    file.load()
    return file


def build(identifier: str) -> tuple[PythonFile | None, nn.Module]:
    """Calls the factory that ``MODULE:FACTORY`` or ``FILE.py:FACTORY`` names.

    Modules are looked for where Python looks: among the installed ones and in ``PYTHONPATH``.

    Returns:
        The file, where it was one, and the network.

    Raises:
        ModelError: there is no such module, file or factory, it fails, or it returns no ``nn.Module``.
    """
    place, colon, factory = identifier.rpartition(":")
    if not colon or not place or not factory:
        raise ModelError(
            f"'python:{identifier}' names no factory; write python:MODULE:FACTORY or python:FILE.py:FACTORY"
        )
    file = PythonFile(Path(place).resolve()) if place.endswith(".py") else None
    module = file.load() if file else _import(place)
    if not callable(make := getattr(module, factory, None)):
        raise UnknownNameError(f"function in {place}", factory, [name for name in vars(module) if name[0] != "_"])
    try:
        network = guarded(make)
    except (Exception, SystemExit) as error:
        raise ModelError(f"{factory} of {place} fails: {told(error)}") from error
    if not isinstance(network, nn.Module):
        raise ModelError(f"{factory} of {place} returns a {type(network).__name__}; expected a torch.nn.Module")
    return file, network


def _import(name: str) -> ModuleType:
    try:
        return guarded(lambda: importlib.import_module(name))
    except ImportError as error:
        raise ModelError(
            f"the module {name} cannot be imported ({error}); it must be installed or in PYTHONPATH, "
            "or name its file: python:path/to/file.py:FACTORY"
        ) from error
    except (Exception, SystemExit) as error:
        raise ModelError(f"the module {name} cannot be imported: {told(error)}") from error


def carried_preprocessing(network: nn.Module) -> Preprocessing:
    """What a factory's network says about itself in an attribute ``preprocessing``, by default: pixels as they are.

    Raises:
        InputError: the attribute is a mapping with unknown fields or wrong values.
    """
    carried: Any = getattr(network, "preprocessing", None)
    if isinstance(carried, Preprocessing):
        return carried
    return Preprocessing().changed(carried) if isinstance(carried, Mapping) else Preprocessing()
