"""A model by name: network, preprocessing, digest of its weights."""

import hashlib
import pickle
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from stormbench.benchmarks.models.python_files import PythonFile
from stormbench.datasets.preprocessing import Preprocessing
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
    hint = "" if crop else "; if it needs another size, say so with --model-size"
    raise ModelError(f"{model.source} cannot be called: {problem}{hint}")


def _checked(logits: Any, source: str) -> int:
    if not isinstance(logits, Tensor):
        raise ModelError(f"{source} gives a {type(logits).__name__}; expected logits, a tensor (N, K)")
    if logits.ndim != 2 or logits.shape[0] != 2 or logits.shape[1] < 2:
        raise ModelError(f"{source} gives {tuple(logits.shape)} for 2 images; expected logits (2, K), K at least 2")
    if not logits.isfinite().all():
        raise ModelError(f"{source} gives NaN or infinite logits for plain grey images; are its weights damaged?")
    return int(logits.shape[1])
