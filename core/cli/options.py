"""Options that several subcommands share, and how their values are read."""

import os
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

_DIGITS = 6


class Engine(StrEnum):
    """Who does the work."""

    local = "local"
    dask = "dask"


class Precision(StrEnum):
    """In what number format a model computes."""

    fp32 = "fp32"
    tf32 = "tf32"
    bf16 = "bf16"
    fp16 = "fp16"


def fraction(text: str, option: str) -> float:
    """Reads ``0.485`` or ``8/255``; a mistake is told with the option's name, here and below."""
    try:
        return float(Fraction(text.strip()))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise _mistake(f"{text!r} is not a number such as 0.5 or 8/255", option) from None


def _mistake(message: str, option: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint=option)


def three_fractions(text: str | None, option: str) -> tuple[float, float, float] | None:
    """Reads one number per colour, or one for all: ``123/255,117/255,104/255``."""
    if text is None:
        return None
    numbers = [fraction(part, option) for part in text.split(",")]
    if len(numbers) not in (1, 3):
        raise _mistake(f"{text!r} has {len(numbers)} numbers; give one, or three with commas (RGB)", option)
    red, green, blue = numbers * (3 // len(numbers))
    return red, green, blue


def names(text: str | None, option: str) -> list[str] | None:
    """Reads ``fog,snow``; nothing is not everything."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise _mistake(f"{text!r} is not a list of names such as fog,snow", option)
    return parts


def integers(text: str | None, option: str) -> list[int] | None:
    """Reads ``1,3,5`` or ``1-5``."""
    return None if text is None else [number for part in text.split(",") for number in _range(part, text, option)]


def _range(part: str, text: str, option: str) -> range:
    first, dash, last = (piece.strip() for piece in part.partition("-"))
    if not (first.isdecimal() and (last.isdecimal() or not dash)) or max(len(first), len(last)) > _DIGITS:
        raise _mistake(f"{text!r} is not a list of numbers such as 1,3,5 or 1-5", option)
    if int(last or first) < int(first):
        raise _mistake(f"{part.strip()!r} runs backwards; the smaller number comes first", option)
    return range(int(first), int(last or first) + 1)


def numbers(text: str, option: str) -> tuple[float, ...]:
    """Reads ``0,0.1,1/3``."""
    return tuple(fraction(part, option) for part in text.split(","))


def workers(engine: Engine, scheduler: str | None, processes: int) -> Any:
    """Who does the work: processes of this machine, or the workers of a cluster."""
    from stormbench.execution.parallel import Dask

    if (engine is Engine.dask) != (scheduler is not None):
        raise typer.BadParameter("--engine dask and --scheduler ADDRESS go together", param_hint="--engine")
    return processes if scheduler is None else Dask(scheduler)


def printable(text: str) -> str:
    """Text that any terminal takes: bytes of file names that are no UTF-8 are spelt out."""
    return text.encode(errors="backslashreplace").decode()


Model = Annotated[str, typer.Argument(help="SOURCE:NAME; `stormbench list models` shows the sources.")]
Data = Annotated[str, typer.Option(help="Image folder (a class per sub-folder), .npz, .npy, CIFAR folder, digits.")]
Name = Annotated[str | None, typer.Option(help="Name of the run and its files.")]
Defense = Annotated[str | None, typer.Option(help="Defense in front of the model: rain:shift=0.05")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")]
Mean = Annotated[str | None, typer.Option(help="Normalisation: 123/255,117/255,104/255")]
Std = Annotated[str | None, typer.Option(help="Normalisation, likewise.")]
Resize = Annotated[int | None, typer.Option(min=1, help="Short side, instead of the suite's.")]
Crop = Annotated[int | None, typer.Option(min=16, help="Side of the centre crop, instead of the suite's.")]
Interpolation = Annotated[str | None, typer.Option(help="nearest, bilinear, bicubic, ...")]
Corruptions = Annotated[
    str | None,
    typer.Option(
        "--corruptions", "--perturbations", help="Only these, with commas; others than the suite's may be named."
    ),
]
Severities = Annotated[str | None, typer.Option("--severities", "--levels", help="Only these: 1,3,5 or 1-5.")]
Workers = Annotated[int, typer.Option(min=0, help="Worker processes; 0 works in this one.")]
EngineOption = Annotated[Engine, typer.Option("--engine", help="local processes, or dask with --scheduler.")]
Scheduler = Annotated[str | None, typer.Option(help="Address of the Dask scheduler: tcp://HOST:8786.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything that is drawn.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first N images.")]
SkipBroken = Annotated[bool, typer.Option("--skip-broken", help="Leave out images that cannot be decoded.")]
Suite = Annotated[str, typer.Option(help="What to run; `stormbench list suites` shows them.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder for results.")]

# One worker a core: parallelism is over shards, each computes on one thread.
DEFAULT_WORKERS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
