"""Models by name. A name says where the weights come from; pre-processing travels with them; nothing is guessed."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from stormbench.benchmarks.models import conditional, python_files, trained, zoo
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.models.published import Adapted, adapted
from stormbench.benchmarks.models.python_files import PythonFile
from stormbench.benchmarks.models.sources import MODEL_SOURCES, split_spec
from stormbench.datasets.preprocessing import Preprocessing, Triple
from stormbench.errors import ModelError
from stormbench.weights import Weights, listed, load_weights, read_weights

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """What a source gives: the network, what it wants, and the name under which it can be had again."""

    network: nn.Module
    preprocessing: Preprocessing
    source: str
    code: PythonFile | None = None


def load_model(
    spec: str,
    *,
    mean: Triple | None = None,
    std: Triple | None = None,
    resize: int | None = None,
    crop: int | None = None,
    interpolation: str | None = None,
    device: str = "cpu",
) -> Model:
    """Loads a classifier.

    Args:
        spec: ``torchvision:NAME[@WEIGHTS]``, ``timm:NAME``, ``checkpoint:PATH@ARCHITECTURE``, ``oat:PATH@lam=LAMBDA``,
            ``net:PATH`` or ``python:MODULE:FACTORY`` (``stormbench list models``).
        mean: subtracted from each channel, instead of what comes with the model.
        std: divides each channel, likewise.
        resize: short side before the crop, likewise.
        crop: side that the network was made for, likewise.
        interpolation: ``nearest``, ``bilinear`` or ``bicubic``, likewise.
        device: where the model goes.

    Returns:
        The model, ready for evaluation.

    Raises:
        ModelError: it cannot be found, downloaded, loaded or called.
        InputError: an argument is wrong.
        MissingDependencyError: the source needs a library that is not installed.
    """
    source, identifier = split_spec(spec)
    found = _LOADERS[source](identifier)
    changes = {"mean": mean, "std": std, "resize": resize, "crop": crop, "interpolation": interpolation}
    model = Model(found.network, found.source, found.preprocessing.changed(changes), code=found.code)
    return model.to(device)


def _from_torchvision(identifier: str) -> Found:
    name, _, weights = identifier.partition("@")
    network, preprocessing, weights = zoo.torchvision_model(name, weights or "DEFAULT")
    return Found(network, preprocessing, f"torchvision:{name}@{weights}")


def _from_timm(identifier: str) -> Found:
    network, preprocessing, name = zoo.timm_model(identifier)
    return Found(network, preprocessing, f"timm:{name}")


def _from_checkpoint(identifier: str) -> Found:
    place, architecture = _split_checkpoint(identifier)
    path, part = _split_part(place)
    weights = read_weights(path, part)
    found, fitted = _architecture(architecture, weights, str(path))
    load_weights(found.network, fitted.state, path=path, architecture=architecture)
    _tell(path, weights, fitted)
    preprocessing = found.preprocessing.changed({"mean": fitted.mean, "std": fitted.std})
    taken = f"{path}#{weights.part}" if weights.others else place
    return replace(found, preprocessing=preprocessing, source=f"checkpoint:{taken}@{architecture}")


def _tell(path: Path, weights: Weights, fitted: Adapted) -> None:
    """Says in the log what was chosen of a file that holds several things."""
    if weights.others:
        logger.info("%s: took %s; it also holds %s (%s#NAME)", path, weights.part, ", ".join(weights.others), path)
    if fitted.left_out:
        logger.info("%s: left out %s", path, listed(list(fitted.left_out)))
    if fitted.mean and fitted.std:
        logger.info("%s: took mean %s and std %s from its normaliser", path, fitted.mean, fitted.std)


def _split_part(place: str) -> tuple[Path, str]:
    """Splits ``PATH#PART``; a file whose name holds that sign is a file."""
    path, sign, part = place.rpartition("#")
    return (Path(path), part) if sign and path and part and not Path(place).exists() else (Path(place), "")


def _split_checkpoint(identifier: str) -> tuple[str, str]:
    """Splits at the last ``@``, or before the source of the architecture: paths may hold that sign too."""
    match = re.fullmatch(r"(.+?)@((?:python|timm):.+)", identifier) or re.fullmatch(r"(.+)@([^@/\\]+)", identifier)
    if match is None:
        spelling = MODEL_SOURCES["checkpoint"].spelling
        raise ModelError(
            f"'checkpoint:{identifier}' names no architecture; write {spelling}: checkpoint:net.pth@resnet50"
        )
    return match[1], match[2]


def _architecture(name: str, weights: Weights, what: str) -> tuple[Found, Adapted]:
    """An empty network to put weights into, and the weights under its names."""
    source, colon, identifier = name.partition(":")
    if source == "python" and colon:
        found = _from_python(identifier)
        return found, adapted(weights, found.network, what)
    if source == "timm" and colon:
        network, preprocessing, fitted = zoo.timm_architecture(identifier, weights, what)
    else:
        network, preprocessing, fitted = zoo.torchvision_architecture(name, weights, what)
    return Found(network, preprocessing, name), fitted


def _from_python(identifier: str) -> Found:
    code, network = python_files.build(identifier)
    return Found(network, python_files.carried_preprocessing(network), f"python:{identifier}", code)


def _from_oat(identifier: str) -> Found:
    network, source = conditional.load(identifier)
    return Found(network, Preprocessing(), f"oat:{source}")  # normalisation is inside


def _from_net(identifier: str) -> Found:
    return Found(trained.load(identifier), Preprocessing(), f"net:{identifier}")  # normalisation is inside


_LOADERS: dict[str, Callable[[str], Found]] = {
    "torchvision": _from_torchvision,
    "timm": _from_timm,
    "checkpoint": _from_checkpoint,
    "python": _from_python,
    "oat": _from_oat,
    "net": _from_net,
}
