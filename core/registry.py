"""One kind of registry for corruptions, perturbations, suites, defenses, ..."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from stormbench.errors import UnknownNameError
from stormbench.plugins import is_own, load_object


class Named(Protocol):
    """Anything that carries its name."""

    @property
    def name(self) -> str:
        """What users call it."""


Entry = TypeVar("Entry", bound=Named)


class Registry(Mapping[str, Entry]):
    """An ordered, read-only mapping from names to entries; an unknown name is answered with the near ones.

    Args:
        kind: what the entries are, for messages ("corruption").
        entries: the rows, in the order in which iteration gives them.
        own: makes an entry of ``python:FILE.py:NAME`` and what that names; None where users cannot bring their own.

    Raises:
        ValueError: two entries share a name.
    """

    def __init__(self, kind: str, entries: Iterable[Entry], *, own: Callable[[str, Any], Entry] | None = None) -> None:
        self.kind = kind
        self._own = own
        self._of_users: dict[str, Entry] = {}
        self._entries: dict[str, Entry] = {}
        for entry in entries:
            if entry.name in self._entries:
                raise ValueError(f"two entries of the {kind} registry are named {entry.name!r}")
            self._entries[entry.name] = entry

    def __getitem__(self, name: str) -> Entry:
        if self._own and isinstance(name, str) and is_own(name):
            if name not in self._of_users:
                self._of_users[name] = self._own(name, load_object(name))
            return self._of_users[name]
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            raise UnknownNameError(self.kind, name, self._entries) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<{len(self)} {self.kind} entries: {', '.join(self)}>"
