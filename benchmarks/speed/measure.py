"""Timing corruptions on photographs, one thread each, contenders taking turns."""

import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import skimage.data
from PIL import Image
from threadpoolctl import threadpool_limits

from stormbench.cells import Pixels
from stormbench.corruptions import CORRUPTIONS, IMAGENET_C, corrupt
from stormbench.corruptions.opencv import one_thread
from stormbench.datasets.geometry import Geometry
from stormbench.errors import InputError, MissingDependencyError
from stormbench.randomness import stream
from stormbench.versions import version_of

Photos = Sequence[Pixels]
SIDE = 224
TIMES = 5


@dataclass(frozen=True)
class Contender:
    """Something that corrupts.

    Attributes:
        name: for the table.
        run: ``(image, corruption, severity)`` to a uint8 image of the same shape.
        names: the corruptions that it has.
    """

    name: str
    run: Callable[[Pixels, str, int], Pixels]
    names: frozenset[str]


@dataclass(frozen=True)
class Measurement:
    """What one cell took.

    Attributes:
        contender: its name.
        corruption: its name.
        severity: 1..5.
        milliseconds: for each photograph, the median of its calls; empty where the contender failed.
        error: why it failed, or empty.
    """

    contender: str
    corruption: str
    severity: int
    milliseconds: tuple[float, ...]
    error: str = ""

    @property
    def typical(self) -> float:
        """The median over the photographs, NaN where there are none."""
        return median(self.milliseconds) if self.milliseconds else float("nan")


def photographs() -> list[Pixels]:
    """Sixteen real 224 x 224 images: the corners of four photographs of scikit-image, short side 256."""
    whole = [getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")]
    return [
        np.ascontiguousarray(image[rows, columns])
        for image in (Geometry(resize=256)(Image.fromarray(photo)) for photo in whole)
        for rows in (slice(SIDE), slice(-SIDE, None))
        for columns in (slice(SIDE), slice(-SIDE, None))
    ]


def ours() -> Contender:
    """This package, each call with a stream of its own."""

    def run(image: Pixels, name: str, severity: int) -> Pixels:
        return corrupt(image, name, severity, rng=stream(0, name, severity, "photo"))

    return Contender("stormbench", run, frozenset(CORRUPTIONS))


def imagecorruptions() -> Contender:
    """The package ``imagecorruptions-imaug``.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        from imagecorruptions import corrupt as theirs
    except ImportError as error:
        raise MissingDependencyError(
            f"imagecorruptions cannot be imported ({error}); run: pip install imagecorruptions-imaug"
        ) from error

    def run(image: Pixels, name: str, severity: int) -> Pixels:
        return np.asarray(theirs(image, severity, name), dtype=np.uint8)

    return Contender("imagecorruptions-imaug", run, frozenset(IMAGENET_C))


def reference_module(path: Path) -> Contender:
    """Any module whose functions have the reference's signature: ``fog(PIL image, severity=3) -> array or PIL image``.

    The module is executed: its user named it.

    Args:
        path: of a Python file.

    Raises:
        InputError: it cannot be imported, or has no function named like a corruption.
    """
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InputError(f"{path} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    functions = {name: getattr(module, name) for name in CORRUPTIONS if callable(getattr(module, name, None))}
    if not functions:
        raise InputError(f"{path} defines none of {', '.join(CORRUPTIONS)}")

    def run(image: Pixels, name: str, severity: int) -> Pixels:
        return np.asarray(functions[name](Image.fromarray(image), severity=severity)).astype(np.uint8)

    return Contender(path.stem, run, frozenset(functions))


@contextmanager
def single_thread() -> Iterator[None]:
    """Pins the process to one core (where the system can) and every library to one thread."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    try:
        if cores:
            os.sched_setaffinity(0, {max(cores)})
        with one_thread(), threadpool_limits(1):
            yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)


def measure(
    contenders: Sequence[Contender],
    names: Iterable[str],
    severities: Iterable[int],
    photos: Photos,
    *,
    times: int = TIMES,
) -> Iterator[Measurement]:
    """Times every contender on every cell.

    For each photograph the contenders take turns, so that a busy machine is busy for all of them. In its turn each
    makes its calls one after the other, as its users do: the median leaves out the one that must get back the memory
    and the caches which the contender before it used. One call before the clock starts lets each compile, decode and
    fill its tables.

    Args:
        contenders: who takes part.
        names: corruptions.
        severities: 1..5.
        photos: images of equal size.
        times: calls for each photograph.

    Yields:
        One measurement for each corruption, severity and contender that has it.
    """
    severities = list(severities)
    with single_thread():
        for name in names:
            taking_part = [contender for contender in contenders if name in contender.names]
            for severity in severities:
                yield from _cell(taking_part, name, severity, photos, times)


def _cell(
    contenders: Sequence[Contender], name: str, severity: int, photos: Photos, times: int
) -> Iterator[Measurement]:
    failures = {contender.name: _failure(contender, photos[0], name, severity) for contender in contenders}
    running = [contender for contender in contenders if not failures[contender.name]]
    results: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for photo in photos:
        for contender in running:
            calls = [_time(contender, photo, name, severity) for _ in range(times)]
            results[contender.name].append(median(calls))
    for contender in contenders:
        yield Measurement(contender.name, name, severity, tuple(results[contender.name]), failures[contender.name])


def _failure(contender: Contender, photo: Pixels, name: str, severity: int) -> str:
    try:
        contender.run(photo, name, severity)
    except Exception as error:  # whatever others raise belongs into their row, not into our traceback
        return f"{type(error).__name__}: {error}"
    return ""


def _time(contender: Contender, photo: Pixels, name: str, severity: int) -> float:
    start = perf_counter()
    contender.run(photo, name, severity)
    return (perf_counter() - start) * 1e3


def machine() -> dict[str, Any]:
    """Processor, cores, load, system, Python and libraries, and the date."""
    model = next(
        (line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {
            name: version_of(name) for name in ("numpy", "numba", "scipy", "opencv-python", "pillow", "scikit-image")
        },
        "date": datetime.now(UTC).date().isoformat(),
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []
