"""Workers that die while starting: the parent says so instead of waiting for ever."""

import subprocess
import sys
from pathlib import Path

import pytest

PAYLOAD = """
import os, sys
from dataclasses import dataclass

@dataclass
class Task:
    weights: bytes
    def __call__(self, item):
        return item

@dataclass
class Fatal:
    weights: bytes
    def __call__(self, item):
        return item
    def __setstate__(self, state):
        {deed}
"""
SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
from stormbench.execution import parallel
from payload import {task}

def main():
    print(sorted(item for item, _ in parallel.run({task}(bytes(2**20)), range(3), workers=2)))

{call}
"""
GUARDED = 'if __name__ == "__main__":\n    main()'


def run(folder: Path, *, task: str = "Task", deed: str = "pass", call: str = GUARDED) -> tuple[int, str, str]:
    (folder / "payload.py").write_text(PAYLOAD.format(deed=deed))
    script = SCRIPT.format(folder=str(folder), task=task, call=call)
    (folder / "script.py").write_text(script)
    command = [sys.executable, folder / "script.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_task_of_a_megabyte_travels(tmp_path: Path) -> None:
    assert run(tmp_path) == (0, "[0, 1, 2]\n", "")


def test_a_worker_that_dies_while_it_unpacks(tmp_path: Path) -> None:
    code, _, said = run(tmp_path, task="Fatal", deed="os._exit(9)")
    assert code == 1
    assert "WorkerDiedError: a worker process died while starting" in said


def test_an_import_that_fails_in_the_worker_only(tmp_path: Path) -> None:
    code, _, said = run(tmp_path, task="Fatal", deed="import nothing_of_that_name")
    assert code == 1
    assert "cannot be handed to worker processes: ModuleNotFoundError: No module named 'nothing_of_that_name'" in said
    assert "Exception in initializer" not in said


def test_a_script_without_a_guard(tmp_path: Path) -> None:
    code, _, said = run(tmp_path, call="main()")
    assert code == 1
    assert "script.py starts workers while it is imported; call stormbench under `if __name__" in said
    assert "WorkerDiedError: a worker process died while starting" in said


@pytest.mark.parametrize("call", ["main()", GUARDED])
def test_a_script_that_dies_where_a_worker_imports_it(tmp_path: Path, call: str) -> None:
    dies = f"if __name__ == '__mp_main__':\n    raise MemoryError\n{call}"
    code, _, said = run(tmp_path, call=dies)
    assert code == 1
    assert "a worker process died while starting" in said
