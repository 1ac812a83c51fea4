"""What a printer of tables prints, as text."""

import io
from collections.abc import Callable
from contextlib import redirect_stdout


def captured(show: Callable[[], None]) -> str:
    """Calls a function and returns what it prints, without the last line break."""
    with redirect_stdout(io.StringIO()) as out:
        show()
    return out.getvalue().rstrip("\n")
