"""Objects of the user's own Python files and modules, by ``python:FILE.py:NAME`` or ``python:MODULE:NAME``."""

import importlib
import importlib.util
import sys
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

from stormbench.errors import InputError

PREFIX = "python:"


def is_own(name: str) -> bool:
    """Whether a name leads to the user's own code."""
    return name.startswith(PREFIX)


def load_object(spec: str) -> Any:
    """Imports what a specification names; the only names that run code, because the user wrote them.

    Args:
        spec: ``python:FILE.py:NAME`` or ``python:MODULE:NAME``.

    Raises:
        InputError: the specification has another form, the file or module cannot be imported, or lacks the name.
    """
    place, _, name = spec.removeprefix(PREFIX).rpartition(":")
    if not place or not name:
        raise InputError(f"{spec!r} is not python:FILE.py:NAME, nor python:MODULE:NAME")
    try:
        module = _file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except (Exception, SystemExit) as error:  # the code is the user's: it may raise anything
        raise InputError(f"{place} cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, name):
        public = ", ".join(known for known in vars(module) if not known.startswith("_"))
        raise InputError(f"{place} has no {name!r}; it has: {public}")
    return getattr(module, name)


def _file(path: Path) -> ModuleType:
    """Imports a file once per process, under a name made from its path."""
    path = path.resolve()
    name = f"stormbench_own_{blake2b(str(path).encode(errors='surrogateescape'), digest_size=8).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
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
