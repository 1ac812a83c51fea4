"""What all tests share."""

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

# A shell that runs the tests in the background has their children ignore Ctrl-C, which some of them are sent.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference outputs, real images and real checkpoints, which lie beside the checkout where there are any."""
    if not SHARED.is_dir():
        pytest.skip(f"no reference data at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def workers_of() -> Callable[[int], list[psutil.Process]]:
    """Finds the worker processes of a process."""

    def find(parent: int) -> list[psutil.Process]:
        found = []
        for child in psutil.Process(parent).children():
            with suppress(psutil.Error):  # it may end while it is looked at
                if "spawn_main" in " ".join(child.cmdline()):
                    found.append(child)
        return found

    return find
