"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

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
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(console, what, unit)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(unit), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(console: Console, what: str, unit: str) -> Callable[[int, int], None]:
    begun = spoken = time.monotonic()
    first: int | None = None  # what an earlier, interrupted run had done does not count towards the rate

    def report(done: int, total: int) -> None:
        nonlocal spoken, first
        now = time.monotonic()
        first = done if first is None else first
        if done < total and now - spoken < _SECONDS_BETWEEN_LINES:
            return
        spoken = now
        rate = (done - first) / max(now - begun, 1e-9)
        left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
        console.print(f"{what}: {done} of {total} {unit}, {rate:.1f} {unit}/s{left}", highlight=False)

    return report
