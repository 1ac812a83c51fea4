"""Architectures and published weights of torchvision and timm."""

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from stormbench.datasets.preprocessing import Preprocessing
from stormbench.errors import ModelError, UnknownNameError
from stormbench.torchvision_guard import import_timm, import_torchvision
from stormbench.weights import StateDict, classes_of

IMAGENET_CLASSES = 1000

# These two draw their initial weights slowly and announce that they will stop doing so; and their published weights
# were trained on differently scaled inputs, which the network undoes itself when told to.
_INCEPTIONS = {name: {"init_weights": False, "transform_input": True} for name in ("inception_v3", "googlenet")}


def torchvision_model(name: str, weights: str) -> tuple[nn.Module, Preprocessing, str]:
    """A network with weights that torchvision publishes.

    Args:
        name: of the constructor.
        weights: a member of its weights, or ``DEFAULT``.

    Returns:
        The network, what these weights want, and the weights' own name.

    Raises:
        UnknownNameError: there is no such network, or it has no such weights.
        ModelError: the weights are neither in the cache nor to be had.
    """
    models = import_torchvision().models
    members = models.get_model_weights(_known(name)).__members__
    if weights not in members:
        raise UnknownNameError(f"weights for {name}", weights, members)
    chosen = members[weights]
    try:
        network = models.get_model(name, weights=chosen, progress=False)
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"the weights of torchvision:{name}@{chosen.name} are not in torch's cache and cannot be downloaded from "
            f"{chosen.url} ({error}); go online, or fetch them elsewhere and use checkpoint:PATH@{name}"
        ) from error
    return network, _of_transforms(chosen.transforms()), chosen.name


def timm_model(name: str) -> tuple[nn.Module, Preprocessing, str]:
    """A network with weights that timm publishes.

    Args:
        name: the architecture, with or without its pretrained tag.

    Returns:
        The network, what it wants, and its name with the tag.

    Raises:
        UnknownNameError: timm has no such network.
        ModelError: the weights are neither in the cache nor to be had.
    """
    try:
        network = _create_timm(name, pretrained=True)
    except (OSError, RuntimeError) as error:
        message = str(error).splitlines()[0]
        raise ModelError(
            f"the weights of timm:{name} are not in the cache and cannot be downloaded ({message}); "
            "go online, or fetch them elsewhere and use checkpoint:PATH@timm:NAME"
        ) from error
    config: Any = network.pretrained_cfg
    return network, _of_timm(network), name if ":" in name else f"{config['architecture']}.{config['tag']}"


def torchvision_architecture(name: str, state: StateDict) -> tuple[nn.Module, Preprocessing]:
    """An empty torchvision network for a state dict, and what the first published weights of that network want.

    Raises:
        UnknownNameError: there is no such network.
    """
    models = import_torchvision().models
    _known(name)
    network = _fitting(
        lambda classes: models.get_model(name, weights=None, num_classes=classes, **_INCEPTIONS.get(name, {})), state
    )
    first, *_ = models.get_model_weights(name)
    return network, _of_transforms(first.transforms())


def timm_architecture(name: str, state: StateDict) -> tuple[nn.Module, Preprocessing]:
    """An empty timm network for a state dict, and what timm's default weights of that network want.

    Raises:
        UnknownNameError: timm has no such network.
    """
    network = _fitting(lambda classes: _create_timm(name, pretrained=False, num_classes=classes), state)
    return network, _of_timm(network)


def _fitting(construct: Callable[[int], nn.Module], state: StateDict) -> nn.Module:
    """With as many classes as the state dict has, so that fine-tuned networks need no further word."""
    network = construct(IMAGENET_CLASSES)
    classes = classes_of(state, network)
    return network if classes is None else construct(classes)


def _known(name: str) -> str:
    models = import_torchvision().models
    if name not in (known := models.list_models(module=models)):
        raise UnknownNameError("torchvision classifier", name, known)
    return name


def _create_timm(name: str, **options: Any) -> nn.Module:
    timm = import_timm()
    if ":" not in name and not timm.is_model(name):
        raise UnknownNameError("timm model", name, timm.list_models())
    network: nn.Module = timm.create_model(name, **options)
    return network


def _of_transforms(transforms: Any) -> Preprocessing:
    """Of torchvision's preset for a set of weights."""
    (resize,), (crop,) = transforms.resize_size, transforms.crop_size
    return Preprocessing(resize, crop, transforms.interpolation.value, tuple(transforms.mean), tuple(transforms.std))


def _of_timm(network: nn.Module) -> Preprocessing:
    wanted = import_timm().data.resolve_model_data_config(network)
    crop = wanted["input_size"][-1]
    resize = math.floor(crop / wanted["crop_pct"])
    return Preprocessing(resize, crop, wanted["interpolation"], wanted["mean"], wanted["std"])
