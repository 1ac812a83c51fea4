"""IMDN x2 (Hui et al. 2019, arXiv 1909.11856), laid out as in the authors' state dict."""

import torch
from torch import Tensor, nn
from torch.nn import functional

_FEATURES = 64
_KEPT = 16  # channels that a distillation step sets aside
_BLOCKS = 6
_SLOPE = 0.05


def _convolution(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


class _ContrastAttention(nn.Module):
    """Weighs channels by their contrast: mean plus standard deviation over the picture."""

    def __init__(self) -> None:
        super().__init__()
        narrow = _FEATURES // 16
        self.conv_du = nn.Sequential(
            nn.Conv2d(_FEATURES, narrow, 1), nn.ReLU(), nn.Conv2d(narrow, _FEATURES, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(2, 3), keepdim=True)
        contrast = ((x - mean).square().mean(dim=(2, 3), keepdim=True) + 1e-12).sqrt()  # a flat picture has a gradient
        weight: Tensor = self.conv_du(contrast + mean)
        return x * weight


class _Distillation(nn.Module):
    """Four convolutions, three of which set some channels aside for the end and pass the rest on."""

    def __init__(self) -> None:
        super().__init__()
        passed = _FEATURES - _KEPT
        self.c1 = _convolution(_FEATURES, _FEATURES)
        self.c2 = _convolution(passed, _FEATURES)
        self.c3 = _convolution(passed, _FEATURES)
        self.c4 = _convolution(passed, _KEPT)
        self.c5 = nn.Conv2d(_FEATURES, _FEATURES, 1)
        self.cca = _ContrastAttention()

    def forward(self, x: Tensor) -> Tensor:
        kept, rest = [], x
        for convolution in (self.c1, self.c2, self.c3):
            found = functional.leaky_relu(convolution(rest), _SLOPE)
            aside, rest = found[:, :_KEPT], found[:, _KEPT:]
            kept.append(aside)
        joined: Tensor = self.c5(self.cca(torch.cat([*kept, self.c4(rest)], dim=1)))
        return x + joined


class IMDN(nn.Module):
    """Six information multi-distillation blocks; 0.69 million weights."""

    def __init__(self) -> None:
        super().__init__()
        self.fea_conv = _convolution(3, _FEATURES)
        for number in range(1, _BLOCKS + 1):
            setattr(self, f"IMDB{number}", _Distillation())
        self.c = nn.Sequential(nn.Conv2d(_BLOCKS * _FEATURES, _FEATURES, 1), nn.LeakyReLU(_SLOPE))
        self.LR_conv = _convolution(_FEATURES, _FEATURES)
        self.upsampler = nn.Sequential(_convolution(_FEATURES, 12), nn.PixelShuffle(2))

    def forward(self, small: Tensor) -> Tensor:
        """``(N, 3, H, W)`` in [0, 1] to ``(N, 3, 2H, 2W)``."""
        shallow = self.fea_conv(small)
        states = [shallow]
        for number in range(1, _BLOCKS + 1):
            states.append(getattr(self, f"IMDB{number}")(states[-1]))
        deep = self.LR_conv(self.c(torch.cat(states[1:], dim=1)))
        large: Tensor = self.upsampler(shallow + deep)
        return large
