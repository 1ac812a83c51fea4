"""Every error that stormbench raises on purpose.

::

    StormbenchError                 catch this one
    ├── InputError                  an argument has the wrong type, value or shape
    │   └── UnknownNameError        no such corruption, suite, defense, ...: answers with the near ones
    ├── DataError                   a data set cannot be used as it is
    │   └── BrokenImageError        one image cannot be decoded
    ├── ModelError                  a model cannot be found, loaded or called
    ├── ResultError                 a result file is not what it says
    ├── WorkerDiedError             a worker process was killed
    ├── SettingsChangedError        a run that is continued was started with other settings
    └── MissingDependencyError      an optional library, system package or data file is not installed

Messages say what was wanted, what was got and what to do, in one line.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class StormbenchError(Exception):
    """Base of all errors below; the command line prints its message and exits with 1."""


class InputError(StormbenchError, ValueError):
    """An argument has the wrong type, value or shape."""


class UnknownNameError(InputError, KeyError):
    """A name that is in no registry.

    It is a ``KeyError`` too, so that registries behave as mappings.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(str(name), names, n=3)
        advice = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(names)}"
        super().__init__(f"there is no {kind} named {name!r}; {advice}")
        self._arguments = kind, name, names

    def __reduce__(self) -> tuple[type["UnknownNameError"], tuple[str, object, list[str]]]:
        return UnknownNameError, self._arguments  # it travels from worker processes too

    __str__ = Exception.__str__  # KeyError would show the message in quotes


class DataError(StormbenchError):
    """A data set cannot be used as it is."""


class BrokenImageError(DataError):
    """One image cannot be decoded; the message names it."""


class ModelError(StormbenchError):
    """A model cannot be found, loaded or called."""


class ResultError(StormbenchError):
    """A result file is not what it says."""


class WorkerDiedError(StormbenchError):
    """A worker process was killed, by the system or by somebody."""


class SettingsChangedError(StormbenchError):
    """A run that is continued was started with other settings."""


class MissingDependencyError(StormbenchError, ImportError):
    """An optional library, system package or data file is not installed; the message says how to get it."""
