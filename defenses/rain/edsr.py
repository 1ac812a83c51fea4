"""EDSR baseline x2 (Lim et al. 2017, arXiv 1707.02921), laid out as in the public ``edsr_baseline_x2`` state dict."""

import torch
from torch import Tensor, nn

_FEATURES = 64
_BLOCKS = 16
_DIV2K_MEAN = (0.4488, 0.4371, 0.4040)


class _Shift(nn.Conv2d):
    """Adds ``sign`` times the mean colour of DIV2K, as the 1x1 convolution that the state dict stores."""

    def __init__(self, sign: int) -> None:
        super().__init__(3, 3, 1)
        with torch.no_grad():
            self.weight.copy_(torch.eye(3).reshape(3, 3, 1, 1))
            if self.bias is not None:
                self.bias.copy_(sign * 255 * torch.tensor(_DIV2K_MEAN))
        self.requires_grad_(False)


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        convolutions = (nn.Conv2d(_FEATURES, _FEATURES, 3, padding=1) for _ in range(2))
        self.body = nn.Sequential(next(convolutions), nn.ReLU(), next(convolutions))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y


class EDSR(nn.Module):
    """16 residual blocks of 64 features without batch norm, pixel shuffle at the end; 1.37 million weights."""

    def __init__(self) -> None:
        super().__init__()
        self.sub_mean = _Shift(-1)
        self.add_mean = _Shift(+1)
        self.head = nn.Sequential(nn.Conv2d(3, _FEATURES, 3, padding=1))
        last = nn.Conv2d(_FEATURES, _FEATURES, 3, padding=1)
        self.body = nn.Sequential(*(_Block() for _ in range(_BLOCKS)), last)
        enlarge = nn.Sequential(nn.Conv2d(_FEATURES, 4 * _FEATURES, 3, padding=1), nn.PixelShuffle(2))
        self.tail = nn.Sequential(enlarge, nn.Conv2d(_FEATURES, 3, 3, padding=1))

    def forward(self, small: Tensor) -> Tensor:
        """``(N, 3, H, W)`` in [0, 1] to ``(N, 3, 2H, 2W)``; inside, the published weights work in 0..255."""
        shallow = self.head(self.sub_mean(small * 255))
        large: Tensor = self.add_mean(self.tail(shallow + self.body(shallow)))
        return large / 255
