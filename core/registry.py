"""One kind of registry for corruptions, perturbations, suites, defenses, ..."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from stormbench.errors import UnknownNameError


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

    Raises:
        ValueError: two entries share a name.
    """

    def __init__(self, kind: str, entries: Iterable[Entry]) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}
        for entry in entries:
            if entry.name in self._entries:
                raise ValueError(f"two entries of the {kind} registry are named {entry.name!r}")
            self._entries[entry.name] = entry

    def __getitem__(self, name: str) -> Entry:
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
