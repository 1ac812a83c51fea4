"""The residual networks for CIFAR-10 of He et al. 2016 (arXiv 1512.03385), named as in the public checkpoints."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Two convolutions; the shortcut takes every second pixel and pads channels with zeros, so it has no weights."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.stride, self.padding = stride, (channels_out - channels_in) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        shortcut = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))
        return functional.relu(y + shortcut)


class CifarResNet(nn.Module):
    """Three stages of 16, 32 and 64 channels."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        widths = ((16, 16, 1), (16, 32, 2), (32, 64, 2))
        for number, (before, after, stride) in enumerate(widths, 1):
            stage = [Block(before if i == 0 else after, after, stride if i == 0 else 1) for i in range(blocks)]
            setattr(self, f"layer{number}", nn.Sequential(*stage))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        for number in (1, 2, 3):
            x = getattr(self, f"layer{number}")(x)
        logits: Tensor = self.linear(x.mean(dim=(2, 3)))
        return logits


def resnet20() -> nn.Module:
    return CifarResNet(3)


def state_dict_of(checkpoint: object) -> dict[str, Tensor]:
    """The plain state dict in a public checkpoint."""
    assert isinstance(checkpoint, dict)
    return {name.removeprefix("module."): weight for name, weight in checkpoint["state_dict"].items()}


def load(path: object) -> nn.Module:
    """ResNet-20 with normalisation inside, in evaluation mode."""
    network = resnet20()
    network.load_state_dict(state_dict_of(torch.load(path, map_location="cpu", weights_only=True)))  # type: ignore[arg-type]

    class Normalised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: Tensor) -> Tensor:
            mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 3, 1, 1)
            logits: Tensor = self.network((images - mean) / std)
            return logits

    return Normalised().eval()
