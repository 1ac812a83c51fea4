"""Options of a run: shared by the commands, the Python calls and the records."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from stormbench.benchmarks.models.inference import FLOAT32, Inference
from stormbench.errors import InputError
from stormbench.execution.parallel import Workers
from stormbench.execution.runner import Progress


class Options(TypedDict, total=False):
    """Keyword arguments of ``evaluate`` and its sisters: the fields of ``RunOptions``."""

    out: str | Path
    name: str | None
    defense: str | None
    limit: int | None
    seed: int
    workers: Workers
    batch_size: int
    device: str
    inference: Inference
    skip_broken: bool
    released: str | Path | None
    progress: Progress | None


@dataclass(frozen=True)
class RunOptions:
    """How a run is done, beside the model, the data and the suite.

    Attributes:
        out: folder for the result.
        name: the run's name; by default made of the model's, the suite's, the data's and the defense's.
        defense: specification of a defense in front of the model.
        limit: only the first so many images.
        seed: of all corruptions, sequences, attacks and of the defense.
        workers: number of worker processes, 0 works in this one; or a cluster.
        batch_size: images or frames that go through the model at once; for images also the unit in which an
            interrupted run continues.
        device: where the model runs.
        inference: how it computes; runs that compute otherwise are compared only where that is asked for.
        skip_broken: leave out images that cannot be decoded, and record which.
        released: folder of a generated or published set to read the cells from, instead of making them; clean images
            still come from the data.
        progress: called with the number of images done and the number of all.
    """

    out: str | Path = "results"
    name: str | None = None
    defense: str | None = None
    limit: int | None = None
    seed: int = 0
    workers: Workers = 0
    batch_size: int = 32
    device: str = "cpu"
    inference: Inference = FLOAT32
    skip_broken: bool = False
    released: str | Path | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        for name, least in (("limit", 1), ("batch_size", 1), ("seed", 0)):
            value: Any = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise InputError(f"{name} is a whole number of at least {least}, not {value!r}")

    def altered(self, **changes: Unpack[Options]) -> "RunOptions":
        """The same options but for some.

        Raises:
            InputError: there is no option of that name.
        """
        if unknown := changes.keys() - vars(self).keys():
            raise InputError(f"there is no option {min(unknown)!r}; there are {', '.join(vars(self))}")
        return replace(self, **changes)
