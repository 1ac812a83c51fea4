"""Pickles objects whose classes other processes cannot import: those of a notebook, a script or a function's body."""

import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any


def dumps_by_value(content: Any, modules: Iterable[ModuleType] = ()) -> bytes:
    """Pickles an object; what is defined in ``__main__`` or in one of these modules travels by value.

    Args:
        content: what to pickle.
        modules: whose classes and functions are put into the bytes instead of being named.

    Returns:
        Bytes that ``pickle.loads`` reads.
    """
    import cloudpickle

    known = cloudpickle.list_registry_pickle_by_value()  # by a call around this one
    registered = [module for name, module in {each.__name__: each for each in modules}.items() if name not in known]
    for module in registered:
        cloudpickle.register_pickle_by_value(module)
    try:
        found: bytes = cloudpickle.dumps(content)
    finally:
        for module in registered:
            cloudpickle.unregister_pickle_by_value(module)
    return found


def modules_unknown_elsewhere(parts: Iterable[object]) -> list[ModuleType]:
    """The modules of these objects' classes (of functions and classes: their own) that a new process cannot import."""
    names = {getattr(part, "__module__", None) or type(part).__module__ for part in parts}
    return [sys.modules[name] for name in sorted(names) if name in sys.modules and not is_importable(name)]


def is_importable(name: str) -> bool:
    """Whether a new process could import the module of this name."""
    root = name.partition(".")[0]
    if root == "__main__":
        return False
    finders = (getattr(finder, "find_spec", None) for finder in sys.meta_path)
    return any(find(root, None) for find in finders if find)
