"""The Python interface: models and data sets in hand, runs that tell their figures; ``import stormbench as sb``."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from stormbench.cli.tables.captured import captured
from stormbench.cli.tables.faces import Run
from stormbench.datasets import ImageSet, open_images
from stormbench.datasets.inspection import names_fingerprint
from stormbench.datasets.readers.arrays import from_arrays
from stormbench.datasets.readers.torch_datasets import from_torch
from stormbench.errors import BrokenImageError, InputError
from stormbench.versions import version_of

if TYPE_CHECKING:
    from torch import Tensor

    from stormbench.benchmarks.analysis.comparison import Comparison
    from stormbench.benchmarks.evaluation.options import Options
    from stormbench.benchmarks.leaderboard import Board
    from stormbench.benchmarks.models.model import Model
    from stormbench.benchmarks.suites.registry import Suite
    from stormbench.datasets.preprocessing import Triple

__all__ = ["Run", "attack", "compare", "evaluate", "from_arrays", "from_torch", "leaderboard", "load", "wrap"]

Data = Any
"""A path or name as ``open_images`` takes it, an ``ImageSet``, a torch dataset, or a pair of arrays."""

_CACHE = "STORMBENCH_CACHE"
_DIGESTED_IMAGES = 16
_LIBRARIES = "stormbench", "numpy", "scipy", "numba", "opencv-python", "Pillow", "torch", "torchvision"

logger = logging.getLogger(__name__)


def wrap(
    network: "Callable[[Tensor], Tensor]",
    *,
    name: str,
    mean: "Triple | None" = None,
    std: "Triple | None" = None,
    size: int | None = None,
    interpolation: str | None = None,
) -> "Model":
    """Makes a model of an ``nn.Module``, or of any function on tensors; see ``benchmarks.models.wrapped``.

    Args:
        network: from normalised images ``(N, 3, H, W)`` float RGB to logits ``(N, K)``; a module is copied as it is.
        name: what tables, charts and result files call it.
        mean: subtracted from each channel of pixels in [0, 1].
        std: divides each channel afterwards.
        size: side of the square images that the network was made for; None takes any.
        interpolation: how others are resized: ``nearest``, ``bilinear`` (default) or ``bicubic``.

    Raises:
        InputError: the name or a number is wrong.
        ModelError: the network cannot be copied or called, or does not give logits.
    """
    from stormbench.benchmarks.models import wrapped

    return wrapped.wrap(network, name=name, mean=mean, std=std, size=size, interpolation=interpolation)


def load(
    spec: str,
    *,
    mean: "Triple | None" = None,
    std: "Triple | None" = None,
    size: int | None = None,
    interpolation: str | None = None,
) -> "Model":
    """Loads a classifier by name: ``timm:NAME``, ``torchvision:NAME``, ``checkpoint:PATH@ARCHITECTURE``, ...

    Args:
        spec: what ``stormbench list models`` shows.
        mean: as for ``wrap``, instead of what comes with the model; likewise all below.
        std: as for ``wrap``.
        size: as for ``wrap``.
        interpolation: as for ``wrap``.

    Raises:
        StormbenchError: as ``load_model``.
    """
    from stormbench.benchmarks.models.loading import load_model

    return load_model(spec, mean=mean, std=std, resize=size, crop=size, interpolation=interpolation)


def evaluate(
    model: "str | Model",
    data: Data,
    suite: "str | Suite" = "imagenet-c",
    *,
    corruptions: Sequence[str] | None = None,
    severities: Sequence[int] | None = None,
    **options: "Unpack[Options]",
) -> Run:
    """Evaluates a model on the cells of a suite, of images or of sequences; an interrupted call continues.

    Args:
        model: what ``wrap`` or ``load`` gave, or how to load one.
        data: a path, an image set, a torch dataset (``from_torch``), or images and labels (``from_arrays``).
        suite: a suite or its name.
        corruptions: only these; of a suite of sequences these perturbations.
        severities: only these; of a suite of sequences these levels.
        options: fields of ``RunOptions``: ``limit``, ``workers``, ``out``, ``defense``, ``seed``, ... Without ``out``
            the result goes to a folder of its own in the cache (``STORMBENCH_CACHE``, by default
            ``~/.cache/stormbench``), which the log names.

    Raises:
        StormbenchError: see ``stormbench.errors``; whatever was finished is kept.
    """
    from stormbench.benchmarks.evaluation.evaluate import evaluate as run
    from stormbench.benchmarks.evaluation.options import RunOptions
    from stormbench.benchmarks.suites.registry import SUITES

    for what, given in (("corruptions", corruptions), ("severities", severities)):
        if given is not None and (isinstance(given, str) or not isinstance(given, Sequence)):
            raise InputError(f"{what} is a list, such as [{given!r}], not {given!r}")
    found, images = _model(model), _images(data)
    chosen = (SUITES[suite] if isinstance(suite, str) else suite).narrowed(corruptions, severities)
    how = RunOptions().altered(**options)
    if "out" not in options:
        asked = {name: value for name, value in vars(how).items() if name not in ("out", "workers", "progress")}
        how = how.altered(out=_cached(found, images, (chosen, asked)))
    return Run(run(found, images, chosen, how))


def attack(
    model: "str | Model",
    data: Data,
    suite: "str | Suite" = "imagenet-c",
    *,
    eps: float,
    norm: str = "linf",
    budget: str = "standard",
    out: str | Path | None = None,
    **options: Any,
) -> Run:
    """Attacks a model, bare or defended, with all that a budget allows; an interrupted call continues.

    Args:
        model: as for ``evaluate``.
        data: as for ``evaluate``.
        suite: how images are prepared; its corruptions play no part.
        eps: radius, for pixels in [0, 1].
        norm: ``linf`` or ``l2``.
        budget: how hard to try (``stormbench list budgets``).
        out: folder for the result; as for ``evaluate``.
        options: of ``benchmarks.evaluation.attack.attack``: ``limit``, ``workers``, ``defense``, ``sources``, ...

    Returns:
        The run; its ``verdict`` says what is left of the model.

    Raises:
        StormbenchError: see ``stormbench.errors``; whatever was finished is kept.
    """
    from stormbench.benchmarks.evaluation.attack import attack as run
    from stormbench.benchmarks.results.run import ImageRun

    found, images = _model(model), _images(data)
    if out is None:
        asked = {name: value for name, value in options.items() if name not in ("workers", "progress", "announce")}
        sources = {name: getattr(each, "digest", each) for name, each in (asked.pop("sources", None) or {}).items()}
        out = _cached(found, images, (suite, eps, norm, budget, sorted(asked.items()), sorted(sources.items())))
    how: dict[str, Any] = {"norm": norm, "budget": budget, **options}
    return Run(ImageRun(*run(found, images, suite, out=out, eps=eps, **how)))


def compare(first: Run | str | Path, second: Run | str | Path, *, any_arithmetic: bool = False) -> "Comparison":
    """Compares two runs on the same images, image by image; ``conclusion`` says it in a sentence.

    Args:
        first: a run, or the path of its result.
        second: what is better or worse than it.
        any_arithmetic: compare runs in other precisions too, or compiled ones with others.

    Raises:
        ResultError: a result is broken, or the two were not made of the same pixels; the message says what differs.
    """
    from stormbench.benchmarks.analysis import compare as analysis

    (found,) = analysis.compare([_path(first), _path(second)], any_arithmetic=any_arithmetic)
    return found


@dataclass(frozen=True, repr=False)
class Leaderboard:
    """Runs, ranked beside what others published.

    Attributes:
        boards: one for each set of pixels.
    """

    boards: "list[Board]"

    def save(self, folder: str | Path) -> Path:
        """Writes a page, CSV, Markdown and LaTeX into a folder, and returns the path of the page."""
        from stormbench.benchmarks.leaderboard import write_site

        return write_site(self.boards, Path(folder))

    def __repr__(self) -> str:
        from stormbench.cli.tables.boards import print_boards

        return captured(lambda: print_boards(self.boards))


def leaderboard(runs: Sequence[Run | str | Path], *, published: bool = True) -> Leaderboard:
    """Ranks runs, those on the same pixels against each other.

    Args:
        runs: runs, or the paths of their results.
        published: also show what others published on the same suites.

    Raises:
        ResultError: a result is broken.
        InputError: there is none.
    """
    from stormbench.benchmarks.leaderboard import build_boards, read_entry

    if not runs:
        raise InputError("a leaderboard needs at least one run")
    return Leaderboard(build_boards([read_entry(_path(run), {}) for run in runs], published=published))


def _path(run: Run | str | Path) -> Path:
    return run.path if isinstance(run, Run) else Path(run)


def _model(model: Any) -> "Model":
    from stormbench.benchmarks.models.model import Model

    if isinstance(model, str):
        return load(model)
    if not isinstance(model, Model):
        raise InputError(
            f"a {type(model).__name__} is no model yet; name it: sb.wrap(net, name=..., mean=..., std=...)"
        )
    return model


def _images(data: Data) -> ImageSet:
    if isinstance(data, str | Path):
        return open_images(data)
    if all(hasattr(data, name) for name in ("keys", "labels", "classes", "digest", "subset")):
        found: ImageSet = data
        return found
    if isinstance(data, tuple) and len(data) == 2:
        return from_arrays(*map(np.asarray, data))
    return from_torch(data)


def _cached(model: "Model", images: ImageSet, asked: object) -> Path:
    """A folder in the cache for one run: what was asked of which model, on which images, by which libraries."""
    some = range(0, len(images), max(1, len(images) // _DIGESTED_IMAGES))
    identity = (
        *(model.source, model.digest, astuple(model.preprocessing), asked, images.name, names_fingerprint(images)),
        *(len(images), [_digest(images, index) for index in some], [version_of(name) for name in _LIBRARIES]),
    )
    folder = _cache() / "runs" / blake2b(repr(identity).encode(), digest_size=16).hexdigest()
    logger.info("the result and, until it is finished, what is done of it are kept in %s", folder)
    return folder


def _digest(images: ImageSet, index: int) -> str:
    try:
        return images.digest(index)
    except BrokenImageError as error:  # which the run itself refuses, or skips where that is asked for
        return str(error)


def _cache() -> Path:
    if given := os.environ.get(_CACHE):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stormbench"
