"""Baselines that errors are measured against, and figures that others published."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stormbench.errors import InputError, UnknownNameError
from stormbench.files import atomic_write, read_regular
from stormbench.registry import Registry

_SHIPPED = ("alexnet",)

Fraction = Annotated[float, Field(ge=0, le=1)]
Severities = tuple[Fraction, Fraction, Fraction, Fraction, Fraction]
Figures = Literal["clean", "errors", "flip_probability", "top5_distance"]


class _Sourced(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Baseline(_Sourced):
    """A model's errors, each kind with its source; what is not known is empty.

    Attributes:
        name: what users call it.
        suite: the suite that the figures belong to.
        summary: one line for ``stormbench list baselines``.
        sources: for each kind of figure, where it comes from.
        clean: top-1 error on clean images, 0..1.
        errors: per corruption the five top-1 errors, or their mean where only that is known, 0..1.
        flip_probability: per perturbation, 0..1.
        top5_distance: per perturbation the unnormalised distance (uT5D), 0..15.
    """

    name: Annotated[str, Field(min_length=1)]
    suite: str
    summary: str = ""
    sources: dict[Figures, Annotated[str, Field(min_length=1)]]
    clean: Fraction | None = None
    errors: dict[str, Severities | Fraction] = {}
    flip_probability: dict[str, Fraction] = {}
    top5_distance: dict[str, Annotated[float, Field(ge=0, le=15)]] = {}

    @model_validator(mode="after")
    def _figures_have_sources(self) -> Self:
        given = self.model_fields_set - {"name", "suite", "summary", "sources"}
        if unsourced := sorted(given - set(self.sources)):
            raise ValueError(f"no source is given for {', '.join(unsourced)}")
        return self

    @property
    def source(self) -> str:
        """All sources in one line."""
        return "; ".join(dict.fromkeys(self.sources.values()))


class PublishedRow(_Sourced):
    """Figures of one model as others published them, in percent; None or empty where the source has none."""

    model: str
    source: str
    clean_error: float | None = None
    mce: float | None = None
    mfr: float | None = None
    mt5d: float | None = None
    corruption_errors: tuple[float, ...] = ()


_MAXIMAL_BYTES = 2**24


def load_baseline(name_or_path: str | Path) -> Baseline:
    """Loads a baseline that ships (``BASELINES``), or a file of the same form.

    Args:
        name_or_path: a name, or the path of a ``.toml`` or ``.json`` file.

    Raises:
        UnknownNameError: it is neither a name nor a file.
        InputError: the file is not a baseline; the message says where it departs.

    Example:
        >>> load_baseline("alexnet").errors["fog"]
        (0.67474, 0.7605, 0.84378, 0.8726, 0.945)
    """
    path = Path(name_or_path)
    if str(path) in BASELINES:
        return BASELINES[str(path)]
    if not path.exists():
        raise UnknownNameError("baseline (nor a file)", str(name_or_path), BASELINES)
    try:
        if path.suffix == ".toml":
            return Baseline.model_validate(tomllib.loads(read_regular(path, _MAXIMAL_BYTES).decode()))
        return Baseline.model_validate_json(read_regular(path, _MAXIMAL_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{path} is not a baseline: {where}: {first['msg']}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"cannot read the baseline {path}: {getattr(error, 'strerror', None) or error}") from None


def write_baseline(baseline: Baseline, path: Path) -> None:
    """Writes a baseline as a ``.json`` file that ``load_baseline`` reads.

    Raises:
        InputError: the path has another ending.
    """
    if path.suffix != ".json":
        raise InputError(f"baselines are written as .json files, not {path.name}")
    atomic_write(path, (baseline.model_dump_json(indent=1, exclude_unset=True) + "\n").encode())


def published_rows() -> list[PublishedRow]:
    """Figures that others published, with their sources written out; never measured here.

    Example:
        >>> next(row.mce for row in published_rows() if row.model == "ResNet-18")
        84.7
    """
    table = _shipped("published.toml")
    return [PublishedRow(**{**row, "source": table["sources"][row["source"]]}) for row in table["rows"]]


def _shipped(name: str) -> dict[str, Any]:
    return tomllib.loads(files("stormbench.metrics.baselines").joinpath(name).read_text("utf-8"))


BASELINES = Registry("baseline", (Baseline.model_validate(_shipped(f"{name}.toml")) for name in _SHIPPED))
"""The baselines that ship, by name."""
