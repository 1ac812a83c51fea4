"""What goes wrong on real machines, done to real processes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from stormbench.datasets.on_disk.provenance import SOURCE

Start = Callable[..., "subprocess.Popen[str]"]
BytesOf = Callable[[Path], dict[str, bytes]]
Mount = Callable[[str], Path]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Small photographs in two classes, with every kind of name that file systems allow and people use."""
    root = tmp_path / "-photos of mine"
    rng = np.random.default_rng(0)
    names = [
        "plain",
        "with space",
        "-leading-dash",
        "ünïcødé 雪",
        "quote'\"s",
        "new\nline",
        os.fsdecode(b"not-utf8-\xff"),
    ]
    for number, name in enumerate(names):
        path = root / ("-class" if number % 2 else "class b") / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    return root


@pytest.fixture(scope="session")
def bytes_of() -> BytesOf:
    """Gives every file of a set, but for the note on where its images lay."""

    def read(root: Path) -> dict[str, bytes]:
        paths = (path for path in root.rglob("*") if path.is_file() and path.name != SOURCE)
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}

    return read


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the command line in a folder of its own; nothing of it outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str | Path, **options: object) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "stormbench", *map(str, arguments)]
        run = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        )
        started.append(run)
        return run

    yield begin
    for run in started:
        if run.poll() is None:
            for process in [*psutil.Process(run.pid).children(recursive=True), psutil.Process(run.pid)]:
                process.kill()
        run.communicate()


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a file system in memory; skips where that is not permitted."""
    mounted: list[Path] = []

    def make(options: str) -> Path:
        place = tmp_path / f"mount{len(mounted)}"
        place.mkdir()
        tried = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True, text=True, check=False
        )
        if tried.returncode:
            pytest.skip(f"file systems cannot be mounted here: {tried.stderr.strip()}")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "-l", place], check=True)
