"""Where the time goes: seconds by kind of work, added up in each thread until somebody takes them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class _Spent(threading.local):
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}


_spent = _Spent()


@contextmanager
def spent_on(what: str) -> Iterator[None]:
    """Adds the time that its block takes to one kind of work; blocks do not nest.

    Args:
        what: a word, such as ``decode``.
    """
    begun = time.perf_counter()
    try:
        yield
    finally:
        _spent.seconds[what] = _spent.seconds.get(what, 0.0) + time.perf_counter() - begun


def take_spent() -> dict[str, float]:
    """The seconds that this thread has spent since the last call, by kind of work."""
    taken, _spent.seconds = _spent.seconds, {}
    return taken
