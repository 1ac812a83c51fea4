"""Plain networks by name: what recipes train. Needs no torch until one is built."""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stormbench.errors import InputError, UnknownNameError
from stormbench.registry import Registry

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class NetworkEntry:
    """One network.

    Attributes:
        name: what users call it.
        summary: one line.
        target: ``module:function`` of its constructor below ``stormbench.defenses.networks``.
        settings: of the constructor, beside the number of classes.
    """

    name: str
    summary: str
    target: str
    settings: tuple[tuple[str, Any], ...] = ()

    def build(self, classes: int) -> "nn.Module":
        """A network with fresh weights, from images ``(N, 3, H, W)`` to logits ``(N, classes)``."""
        module, _, name = self.target.partition(":")
        construct = getattr(importlib.import_module(f"stormbench.defenses.networks.{module}"), name)
        network: nn.Module = construct(classes, **dict(self.settings))
        return network


def _wide(depth: int, factor: int) -> NetworkEntry:
    summary = f"wide residual network, depth {depth}, factor {factor} (arXiv 1605.07146)"
    return NetworkEntry(f"wrn-{depth}-{factor}", summary, "residual:wide", (("depth", depth), ("factor", factor)))


NETWORKS = Registry(
    "network",
    [
        NetworkEntry("small", "four convolutions, 16 to 64 channels: minutes on a laptop", "residual:small"),
        NetworkEntry("resnet18", "ResNet-18 with CIFAR's 3x3 stem", "residual:torchvision_resnet", (("depth", 18),)),
        NetworkEntry("resnet34", "ResNet-34 with CIFAR's 3x3 stem", "residual:torchvision_resnet", (("depth", 34),)),
        NetworkEntry("preactresnet18", "pre-activation ResNet-18 (arXiv 1603.05027)", "residual:preactivated18"),
        _wide(16, 8),
        _wide(28, 10),
        _wide(40, 2),
    ],
)


def build_network(arch: str, classes: int) -> "nn.Module":
    """A network with fresh weights from torch's global generator.

    Args:
        arch: a name in ``NETWORKS``, or ``torchvision:NAME`` or ``timm:NAME`` for an architecture of theirs.
        classes: number of logits.

    Raises:
        UnknownNameError: there is no such network.
        InputError: the architecture cannot have this number of classes.
        MissingDependencyError: timm is not installed.
    """
    source, colon, name = arch.partition(":")
    if not colon:
        return NETWORKS[arch].build(classes)
    if source not in _LIBRARIES:
        raise UnknownNameError("library of networks", source, _LIBRARIES)
    try:
        return _LIBRARIES[source](name, classes)
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, UnknownNameError):
            raise
        raise InputError(f"{arch} cannot be built with {classes} classes: {str(error).splitlines()[0]}") from None


def _torchvision(name: str, classes: int) -> "nn.Module":
    from stormbench.torchvision_guard import import_torchvision

    models = import_torchvision().models
    if name not in (known := models.list_models(module=models)):
        raise UnknownNameError("torchvision classifier", name, known)
    network: nn.Module = models.get_model(name, weights=None, num_classes=classes)
    return network


def _timm(name: str, classes: int) -> "nn.Module":
    from stormbench.torchvision_guard import import_timm

    timm = import_timm()
    if not timm.is_model(name):
        raise UnknownNameError("timm model", name, timm.list_models())
    network: nn.Module = timm.create_model(name, pretrained=False, num_classes=classes)
    return network


_LIBRARIES = {"torchvision": _torchvision, "timm": _timm}
