"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

_SECONDS_BETWEEN_LINES = 30


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} {self._unit}/s" if task.speed else "")


@contextmanager
def progress(what: str, unit: str = "images") -> Iterator[Callable[[int, int], None]]:
    """Gives a callback for "so many images of so many are done".

    Args:
        what: what is going on, in a word or two.
        unit: what is counted.
    """
    if not logging.getLogger("stormbench").isEnabledFor(logging.INFO):  # --quiet
        yield lambda *_: None
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        lines = _Lines(console, what, unit)
        yield lines
        lines.end()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(unit), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Lines:
    """Speaks every half minute, and once at the end: not whenever a total that may yet grow is reached."""

    def __init__(self, console: Console, what: str, unit: str) -> None:
        self._console, self._what, self._unit = console, what, unit
        self._begun = self._spoken = time.monotonic()
        self._first: int | None = None  # what an earlier, interrupted run had done does not count towards the rate
        self._last: tuple[int, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        self._first = done if self._first is None else self._first
        self._last = done, total
        if time.monotonic() - self._spoken >= _SECONDS_BETWEEN_LINES:
            self._speak(done, total)

    def end(self) -> None:
        """Says how it ended; nothing where nothing was done."""
        if self._last:
            self._speak(*self._last)

    def _speak(self, done: int, total: int) -> None:
        self._spoken = time.monotonic()
        rate = (done - (self._first or 0)) / max(self._spoken - self._begun, 1e-9)
        left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
        text = f"{self._what}: {done} of {total} {self._unit}, {rate:.1f} {self._unit}/s{left}"
        self._console.print(text, highlight=False)
