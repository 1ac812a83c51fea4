"""A residual enhancer that is small enough to train on a laptop in minutes."""

from torch import Tensor, nn
from torch.nn import functional

from stormbench.errors import InputError
from stormbench.weights import StateDict


class _Block(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(features, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(functional.relu(self.first(x)))
        return x + y


class SmallEnhancer(nn.Module):
    """EDSR's plan (residual blocks without batch norm, pixel shuffle) on top of bilinear interpolation.

    The last convolution starts at zero: an untrained enhancer is exactly bilinear, and training can only add detail.

    Args:
        features: channels of every hidden layer.
        blocks: number of residual blocks.
    """

    def __init__(self, features: int = 32, blocks: int = 3) -> None:
        super().__init__()
        if features < 1 or blocks < 0:
            raise InputError(f"an enhancer has at least 1 feature and 0 blocks, not {features} and {blocks}")
        self.head = nn.Conv2d(3, features, 3, padding=1)
        self.body = nn.Sequential(*(_Block(features) for _ in range(blocks)))
        self.tail = nn.Conv2d(features, 12, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        if self.tail.bias is not None:
            nn.init.zeros_(self.tail.bias)

    @classmethod
    def shaped_like(cls, weights: StateDict) -> "SmallEnhancer":
        """An enhancer of the size that the weights were saved from."""
        blocks = {name.split(".")[1] for name in weights if name.startswith("body.")}
        features = len(weights["head.weight"]) if "head.weight" in weights else 1
        return cls(features, len(blocks))

    def forward(self, small: Tensor) -> Tensor:
        """``(N, 3, H, W)`` in [0, 1] to ``(N, 3, 2H, 2W)``."""
        smooth = functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
        detail: Tensor = self.tail(self.body(functional.relu(self.head(small - 0.5))))
        return smooth + functional.pixel_shuffle(detail, 2)
