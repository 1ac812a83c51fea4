"""A model by name: network, preprocessing, digest of its weights."""

import pickle
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from stormbench.benchmarks.models.pickling import dumps
from stormbench.benchmarks.models.probing import count_classes
from stormbench.benchmarks.models.python_files import PythonFile
from stormbench.datasets.preprocessing import Preprocessing
from stormbench.defenses.base import reseed
from stormbench.torchvision_guard import import_torchvision
from stormbench.weights import digest_of


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
        self.num_classes = count_classes(self, preprocessing.crop, source)

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
        return digest_of(self.network.state_dict())

    def reseed(self, seed: int) -> None:
        """Restarts the randomness of every random defense inside the network."""
        reseed(self.network, seed)

    def __reduce__(self) -> tuple[Callable[..., "Model"], tuple[PythonFile | None, bool, bytes]]:
        # Plain bytes, because on its way to a worker process torch would put the weights into shared memory, of which
        # containers have little; and because they are read only after the network's classes are known.
        from_a_zoo = uses_library(self.network, "torchvision", "timm")
        return _revive, (self.code, from_a_zoo, dumps(vars(self), self.network, self.source))


def uses_library(network: nn.Module, *names: str) -> bool:
    """Whether one of these libraries defines any part of a network."""
    return any(type(module).__module__.split(".")[0] in names for module in network.modules())


def _revive(_: PythonFile | None, from_a_zoo: bool, state: bytes) -> Model:
    if from_a_zoo:
        import_torchvision()  # through the guard, before unpickling does it past the guard
    model = Model.__new__(Model)
    model.__dict__.update(pickle.loads(state))
    return model
