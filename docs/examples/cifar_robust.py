"""Two small CIFAR-10 networks that were trained against an adversary, and one of them with its gradients masked.

    stormbench attack python:docs/examples/cifar_robust.py:wide --data DIR --suite cifar-c --budget autoattack

The weights are `cifar_cnn_a_adv.model` and `cifar_wide.pth` of Verified-Intelligence/alpha-beta-CROWN (BSD-3-Clause),
in the working directory.
"""

import torch
from torch import Tensor, nn

PREPROCESSING = {"crop": 32, "mean": (0.485, 0.456, 0.406), "std": (0.225, 0.225, 0.225)}


class Small(nn.Sequential):
    """Two convolutions of stride 2 and two linear layers.

    Args:
        weights: a file whose ``state_dict`` holds the weights, alone or as the first of a list.
        scale: of the logits: thousands leave cross-entropy without a gradient, and the network as it is.
    """

    preprocessing = PREPROCESSING

    def __init__(self, weights: str, scale: float = 1.0) -> None:
        layers = [nn.Conv2d(3, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(), nn.Flatten()]
        super().__init__(*layers, nn.Linear(2048, 100), nn.ReLU(), nn.Linear(100, 10))
        found = torch.load(weights, weights_only=True, map_location="cpu")
        found = found.get("state_dict", found)
        self.load_state_dict(found[0] if isinstance(found, list) else found)
        self.scale = scale

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, 10)`` of normalised images ``(N, 3, 32, 32)``."""
        logits: Tensor = super().forward(images)
        return self.scale * logits


def cnn_a_adv() -> Small:
    """68 % right on the first 1,000 test images."""
    return Small("cifar_cnn_a_adv.model")


def wide() -> Small:
    """64 % right on the first 1,000 test images."""
    return Small("cifar_wide.pth")


def wide_masked() -> Small:
    """The same, and no more robust, with logits that leave cross-entropy no gradient."""
    return Small("cifar_wide.pth", scale=3000)
