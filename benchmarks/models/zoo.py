"""Architectures and published weights of torchvision and timm."""

import math
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from torch import nn

from stormbench.benchmarks.models.published import Adapted, Rename, adapted
from stormbench.datasets.preprocessing import Preprocessing
from stormbench.errors import ModelError, UnknownNameError
from stormbench.torchvision_guard import import_timm, import_torchvision
from stormbench.weights import Weights, classes_of, renamed

IMAGENET_CLASSES = 1000

# Heads that only training uses, and that published files may lack.
_AUXILIARY = {"inception_v3": ("AuxLogits",), "googlenet": ("aux1", "aux2")}

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
        with _hub():
            network = _create_timm(name, pretrained=True)
    except (OSError, RuntimeError) as error:
        message = str(error).splitlines()[0]
        raise ModelError(
            f"the weights of timm:{name} are not in the cache and cannot be downloaded ({message}); "
            "go online, or fetch them elsewhere and use checkpoint:PATH@timm:NAME"
        ) from error
    config: Any = network.pretrained_cfg
    return network, _of_timm(network), name if ":" in name else f"{config['architecture']}.{config['tag']}"


@contextmanager
def _hub() -> Iterator[None]:
    """Keeps Hugging Face's client to its cache where its host cannot be reached: it would retry for a minute."""
    from huggingface_hub import constants

    endpoint, before = urlsplit(constants.ENDPOINT), constants.HF_HUB_OFFLINE
    if not getproxies():
        port = endpoint.port or (80 if endpoint.scheme == "http" else 443)
        try:
            socket.create_connection((endpoint.hostname or "", port), timeout=10).close()
        except OSError:
            constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def torchvision_architecture(name: str, weights: Weights, what: str) -> tuple[nn.Module, Preprocessing, Adapted]:
    """An empty torchvision network for weights, what the first published weights of that network want, and the weights.

    Args:
        name: of the constructor.
        weights: as they were read.
        what: the file, for messages.

    Raises:
        UnknownNameError: there is no such network.
        ModelError: the weights cannot be told apart; see ``adapted``.
    """
    models = import_torchvision().models
    _known(name)
    options, weights = _INCEPTIONS.get(name, {}), _without_odd_heads(name, weights)
    if name in _AUXILIARY:
        options = options | {"aux_logits": _has_heads(name, weights)}
    make = partial(models.get_model, name, weights=None, **options)
    network, found = _fitting(lambda classes: make(num_classes=classes), weights, what)
    first, *_ = models.get_model_weights(name)
    return network, _of_transforms(first.transforms()), found


def timm_architecture(name: str, weights: Weights, what: str) -> tuple[nn.Module, Preprocessing, Adapted]:
    """An empty timm network for weights, what timm's default weights of that network want, and the weights.

    Arguments as for ``torchvision_architecture``.

    Raises:
        UnknownNameError: timm has no such network, or no such tag.
        ModelError: the weights cannot be told apart; see ``adapted``.
    """
    make = partial(_create_timm, name, pretrained=False)
    network, found = _fitting(lambda classes: make(num_classes=classes), weights, what, _filter_of(name))
    return network, _of_timm(network), found


def _fitting(
    construct: Callable[[int], nn.Module], weights: Weights, what: str, rename: Rename | None = None
) -> tuple[nn.Module, Adapted]:
    """With as many classes as the weights have, so that fine-tuned networks need no further word."""
    network = construct(IMAGENET_CLASSES)
    found = adapted(weights, network, what, rename)
    classes = classes_of(found.state, network)
    return (network if classes is None else construct(classes)), found


def _is_head(name: str, tensor: str) -> bool:
    return any(f".{head}." in f".{tensor}" for head in _AUXILIARY.get(name, ()))


def _has_heads(name: str, weights: Weights) -> bool:
    return any(_is_head(name, tensor) for tensor in weights.state)


def _without_odd_heads(name: str, weights: Weights) -> Weights:
    """Leaves out auxiliary heads, which have no part in evaluation, where only the last layer was replaced."""
    outputs = {
        tensor: value.shape[:1]
        for tensor, value in weights.state.items()
        if tensor.endswith("fc.weight") or (_is_head(name, tensor) and tensor.endswith("fc2.weight"))
    }
    if name not in _AUXILIARY or len(set(outputs.values())) < 2:
        return weights
    kept = renamed(weights.state, lambda tensor: None if _is_head(name, tensor) else tensor)
    return replace(weights, state=kept)


def _filter_of(name: str) -> Rename | None:
    """The function by which timm brings an architecture's published files to its own names."""
    if ":" in name:
        return None
    timm = import_timm()
    _check_timm(name)
    module = sys.modules[timm.models.model_entrypoint(name.partition(".")[0]).__module__]
    found: Rename | None = getattr(module, "checkpoint_filter_fn", None)
    return found


def _known(name: str) -> str:
    models = import_torchvision().models
    if name not in (known := models.list_models(module=models)):
        raise UnknownNameError("torchvision classifier", name, known)
    return name


def _create_timm(name: str, **options: Any) -> nn.Module:
    _check_timm(name)
    network: nn.Module = import_timm().create_model(name, **options)
    return network


def _check_timm(name: str) -> None:
    """Refuses an architecture or a tag that timm does not have; names of other hubs (``hf-hub:...``) pass."""
    timm = import_timm()
    if ":" in name:
        return
    architecture, dot, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise UnknownNameError("timm model", name, timm.list_models())
    tags = [known.partition(".")[2] for known in timm.models.get_arch_pretrained_cfgs(architecture)]
    if dot and tag not in tags:
        raise UnknownNameError(f"timm weights of {architecture}", tag, tags)


def _of_transforms(transforms: Any) -> Preprocessing:
    """Of torchvision's preset for a set of weights."""
    (resize,), (crop,) = transforms.resize_size, transforms.crop_size
    return Preprocessing(resize, crop, transforms.interpolation.value, tuple(transforms.mean), tuple(transforms.std))


def _of_timm(network: nn.Module) -> Preprocessing:
    wanted = import_timm().data.resolve_model_data_config(network)
    crop = wanted["input_size"][-1]
    resize = math.floor(crop / wanted["crop_pct"])
    return Preprocessing(resize, crop, wanted["interpolation"], wanted["mean"], wanted["std"])
