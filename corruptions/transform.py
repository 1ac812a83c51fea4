"""Corruptions as a step of a data pipeline."""

import sys
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from PIL import Image

from stormbench.cells import Pixels
from stormbench.corruptions.composition import Composition, Step
from stormbench.errors import InputError


@dataclass(frozen=True)
class Corrupt:
    """One corruption at one severity, or a composition, for torchvision v2 pipelines and ``DataLoader`` workers.

    Takes a PIL image, a uint8 array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or a uint8 tensor (C, H, W) on the CPU
    with C of 1, 3 or 4, and gives an RGB image of the same kind.

    The same sample gets the same corruption in every epoch, order and worker, because its random numbers depend on
    nothing but ``seed``, the corruption, the severity and the sample's identity. A pipeline hands over no identity, so
    it is the digest of the sample's pixels (about 0.1 ms at 224 x 224); ``key`` names it instead, and with an image's
    relative path gives just what stormbench's own data sets give.

    Args:
        name: one of ``CORRUPTIONS``; without a severity, a composition such as ``fog:2+jpeg_compression:3.5``.
        severity: 0..5, whole or not (see ``corrupt``).
        seed: other seeds give other draws.
        scale: severity table, as ``corrupt`` takes it.

    Raises:
        UnknownNameError: no such corruption.
        InputError: the composition or the severity is not as above.

    Example::

        from torch.utils.data import DataLoader
        from torchvision import datasets
        from torchvision.transforms import v2
        pipeline = v2.Compose([v2.Resize(256), v2.CenterCrop(224), Corrupt("fog", 3, seed=0), v2.PILToTensor()])
        loader = DataLoader(datasets.ImageFolder("photos", pipeline), batch_size=4, num_workers=2)
    """

    name: str
    severity: float | None = None
    seed: int = 0
    scale: str = "auto"

    def __post_init__(self) -> None:
        self.composition  # noqa: B018 # refuses what it cannot be made of

    @property
    def composition(self) -> Composition:
        """The corruptions that are applied."""
        if self.severity is None:
            return Composition.parse(self.name)
        return Composition((Step(self.name, self.severity),))

    def __call__(self, image: Any, key: str | None = None) -> Any:
        """Corrupts one image.

        Args:
            image: a PIL image, array or tensor.
            key: the sample's identity, where its pixels shall not be it.

        Raises:
            InputError: the image or the severity is not as above.
        """
        torch = sys.modules.get("torch")  # whoever holds a tensor has imported it
        if torch is not None and isinstance(image, torch.Tensor):
            return self._tensor(torch, image, key)
        if isinstance(image, Image.Image):
            return Image.fromarray(self._array(np.asarray(image.convert("RGB")), key))
        return self._array(image, key)

    def _array(self, image: Pixels, key: str | None) -> Pixels:
        identity = _identity(image) if key is None else key
        return self.composition.apply(image, seed=self.seed, key=identity, scale=self.scale)

    def _tensor(self, torch: Any, image: Any, key: str | None) -> Any:
        if image.ndim != 3 or image.device.type != "cpu":
            raise InputError(
                f"a tensor must have shape (C, H, W) and lie on the CPU, got {tuple(image.shape)} on {image.device}"
            )
        corrupted = self._array(image.permute(1, 2, 0).numpy(), key)
        return torch.from_numpy(corrupted).permute(2, 0, 1).contiguous().as_subclass(type(image))


def _identity(image: object) -> str:
    if not isinstance(image, np.ndarray):
        return ""  # refused by corrupt, which says why
    return f"pixels {image.shape} {blake2b(image.tobytes(), digest_size=16).hexdigest()}"
