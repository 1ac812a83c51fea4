"""The CIFAR ResNets of He et al. 2016 (arXiv 1512.03385, section 4.2), as an architecture for your own weights.

    stormbench score checkpoint:resnet20.th@python:docs/examples/cifar_resnet.py:resnet20 --data DIR --suite cifar-c

Copy this file and change it: any function without arguments that returns a ``torch.nn.Module`` will do. The network
takes normalised images; what normalises them stands in its attribute ``preprocessing``.
"""

from torch import Tensor, nn
from torch.nn import functional

PREPROCESSING = {"crop": 32, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


class Block(nn.Module):
    """Two 3x3 convolutions around a shortcut without parameters ("option A")."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride = stride
        self.missing = channels - channels_in

    def forward(self, images: Tensor) -> Tensor:
        """Features ``(N, channels, H / stride, W / stride)``."""
        features = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(images)))))
        shortcut = images[:, :, :: self.stride, :: self.stride]
        shortcut = functional.pad(shortcut, (0, 0, 0, 0, self.missing // 2, self.missing - self.missing // 2))
        return functional.relu(features + shortcut)


class CifarResNet(nn.Module):
    """``6 n + 2`` layers: a stem, three stages of ``n`` blocks with 16, 32 and 64 channels, and a linear layer."""

    preprocessing = PREPROCESSING

    def __init__(self, blocks: int, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks, stride=1)
        self.layer2 = _stage(16, 32, blocks, stride=2)
        self.layer3 = _stage(32, 64, blocks, stride=2)
        self.linear = nn.Linear(64, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, classes)`` of normalised images ``(N, 3, 32, 32)``."""
        features = functional.relu(self.bn1(self.conv1(images)))
        features = self.layer3(self.layer2(self.layer1(features)))
        logits: Tensor = self.linear(features.mean((2, 3)))
        return logits


def _stage(channels_in: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    first = Block(channels_in, channels, stride)
    return nn.Sequential(first, *(Block(channels, channels, 1) for _ in range(blocks - 1)))


def resnet20() -> nn.Module:
    """Twenty layers, 0.27 million parameters."""
    return CifarResNet(3)


def resnet32() -> nn.Module:
    """Thirty-two layers, 0.46 million parameters."""
    return CifarResNet(5)


def resnet44() -> nn.Module:
    """Forty-four layers, 0.66 million parameters."""
    return CifarResNet(7)


def resnet56() -> nn.Module:
    """Fifty-six layers, 0.85 million parameters."""
    return CifarResNet(9)
