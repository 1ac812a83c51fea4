"""Models by name. A name says where the weights come from; pre-processing travels with them; nothing is guessed."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from stormbench.benchmarks.models import conditional, python_files, zoo
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.models.python_files import PythonFile
from stormbench.benchmarks.models.sources import MODEL_SOURCES, split_spec
from stormbench.datasets.preprocessing import Preprocessing, Triple
from stormbench.errors import ModelError
from stormbench.weights import StateDict, load_weights, read_state_dict


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
        spec: ``torchvision:NAME[@WEIGHTS]``, ``timm:NAME``, ``checkpoint:PATH@ARCHITECTURE``, ``oat:PATH@lam=LAMBDA``
            or ``python:MODULE:FACTORY`` (``stormbench list models``).
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
    path_text, architecture = _split_checkpoint(identifier)
    path = Path(path_text)
    state = read_state_dict(path)
    found = _architecture(architecture, state)
    load_weights(found.network, state, path=path, architecture=architecture)
    return replace(found, source=f"checkpoint:{identifier}")


def _split_checkpoint(identifier: str) -> tuple[str, str]:
    """Splits at the last ``@``, or before the source of the architecture: paths may hold that sign too."""
    match = re.fullmatch(r"(.+?)@((?:python|timm):.+)", identifier) or re.fullmatch(r"(.+)@([^@/\\]+)", identifier)
    if match is None:
        spelling = MODEL_SOURCES["checkpoint"].spelling
        raise ModelError(
            f"'checkpoint:{identifier}' names no architecture; write {spelling}: checkpoint:net.pth@resnet50"
        )
    return match[1], match[2]


def _architecture(name: str, state: StateDict) -> Found:
    """An empty network to put a state dict into."""
    source, colon, identifier = name.partition(":")
    if source == "python" and colon:
        return _from_python(identifier)
    if source == "timm" and colon:
        return Found(*zoo.timm_architecture(identifier, state), name)
    return Found(*zoo.torchvision_architecture(name, state), name)


def _from_python(identifier: str) -> Found:
    code, network = python_files.build(identifier)
    return Found(network, python_files.carried_preprocessing(network), f"python:{identifier}", code)


def _from_oat(identifier: str) -> Found:
    network, source = conditional.load(identifier)
    return Found(network, Preprocessing(), f"oat:{source}")  # normalisation is inside


_LOADERS: dict[str, Callable[[str], Found]] = {
    "torchvision": _from_torchvision,
    "timm": _from_timm,
    "checkpoint": _from_checkpoint,
    "python": _from_python,
    "oat": _from_oat,
}
