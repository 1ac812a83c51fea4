"""Models by name. A name says where the weights come from; pre-processing travels with them; nothing is guessed."""

import hashlib
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from stormbench.benchmarks.models import conditional, python_files, trained, zoo
from stormbench.benchmarks.models.checkpoints import StateDict, load_weights, read_state_dict
from stormbench.benchmarks.models.preprocessing import Preprocessing, Triple
from stormbench.benchmarks.models.python_files import PythonFile
from stormbench.benchmarks.models.sources import MODEL_SOURCES, split_spec
from stormbench.errors import ModelError
from stormbench.torchvision_guard import import_torchvision

# Sides at which a network is tried that does not say what it was made for: CIFAR, 64, ImageNet.
_TRIED_SIDES = (32, 64, 224)


class Model(nn.Module):
    """A classifier from pixels, ``(N, 3, H, W)`` float RGB in [0, 1], to logits ``(N, K)``.

    Normalisation is inside. Images of another size than the network was made for (``preprocessing.crop``) are resized
    to it, with antialiasing; a suite whose images have that size already passes them through untouched.

    Args:
        network: takes normalised images.
        source: where it came from, as ``load_model`` spells it.
        preprocessing: what it wants.
        code: the user's file that the network's classes live in, where they are in no installed module.

    Raises:
        ModelError: the network cannot be called, or does not give one row of finite numbers for each image.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: nn.Module, source: str, preprocessing: Preprocessing, *, code: PythonFile | None = None
    ) -> None:
        super().__init__()
        self.network = network.eval()
        self.source = source
        self.preprocessing = preprocessing
        self.code = code
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(preprocessing, name)).view(3, 1, 1), persistent=False)
        self.eval()
        self.num_classes = _count_classes(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, K)`` of images ``(N, 3, H, W)`` in [0, 1]."""
        logits: Tensor = self.network((self._resized(images) - self.mean) / self.std)
        return logits

    def _resized(self, images: Tensor) -> Tensor:
        side = self.preprocessing.crop
        if side is None or images.shape[-2:] == (side, side):
            return images
        mode = self.preprocessing.interpolation
        if mode == "nearest":
            return functional.interpolate(images, (side, side), mode=mode)
        return functional.interpolate(images, (side, side), mode=mode, align_corners=False, antialias=True).clamp(0, 1)

    @property
    def digest(self) -> str:
        """SHA-256 over the names and the bytes of the network's weights, as they are now."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(f"{name}\x1f{tensor.dtype}\x1f{tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def __reduce__(self) -> tuple[Callable[..., "Model"], tuple[PythonFile | None, bool, bytes]]:
        # Plain bytes, because on its way to a worker process torch would put the weights into shared memory, of which
        # containers have little; and because they are read only after the network's classes are known.
        return _revive, (self.code, _is_from_a_zoo(self.network), pickle.dumps(self.__dict__))


def _is_from_a_zoo(network: nn.Module) -> bool:
    return any(type(module).__module__.split(".")[0] in ("torchvision", "timm") for module in network.modules())


def _revive(_: PythonFile | None, from_a_zoo: bool, state: bytes) -> Model:
    if from_a_zoo:
        import_torchvision()  # through the guard, before unpickling does it past the guard
    model = Model.__new__(Model)
    model.__dict__.update(pickle.loads(state))
    return model


def _count_classes(model: Model) -> int:
    crop = model.preprocessing.crop
    problem = ""
    for side in (crop,) if crop else _TRIED_SIDES:
        try:
            with torch.no_grad():
                logits = model(torch.full((2, 3, side, side), 0.5))
        except Exception as error:  # the network is the user's: it may raise anything
            problem = f"it fails on a batch of {side}x{side} images: {error}"
            continue
        return _checked(logits, model.source)
    hint = "" if crop else "; if it needs another size, say so with --crop"
    raise ModelError(f"{model.source} cannot be called: {problem}{hint}")


def _checked(logits: Any, source: str) -> int:
    if not isinstance(logits, Tensor):
        raise ModelError(f"{source} gives a {type(logits).__name__}; expected logits, a tensor (N, K)")
    if logits.ndim != 2 or logits.shape[0] != 2 or logits.shape[1] < 2:
        raise ModelError(f"{source} gives {tuple(logits.shape)} for 2 images; expected logits (2, K), K at least 2")
    if not logits.isfinite().all():
        raise ModelError(f"{source} gives NaN or infinite logits for plain grey images; are its weights damaged?")
    return int(logits.shape[1])


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
