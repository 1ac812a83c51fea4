"""The residual networks of adversarial training, at the size of CIFAR, and a small one."""

from torch import Tensor, nn
from torch.nn import functional

from stormbench.torchvision_guard import import_torchvision


class PreactivatedBlock(nn.Module):
    """Batch norm and ReLU before each 3x3 convolution (He 2016, arXiv 1603.05027; Zagoruyko 2016, arXiv 1605.07146).

    Args:
        inputs: channels.
        outputs: channels.
        stride: of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        changed = stride > 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if changed else None

    def forward(self, images: Tensor) -> Tensor:
        """From ``(N, C, H, W)`` to ``(N, C', H', W')``."""
        ahead = functional.relu(self.norm1(images))
        inner = self.conv2(functional.relu(self.norm2(self.conv1(ahead))))
        added: Tensor = inner + (images if self.shortcut is None else self.shortcut(ahead))
        return added


class Preactivated(nn.Module):
    """A 3x3 stem, stages of pre-activated blocks that halve the side after the first, batch norm, average, linear.

    Args:
        classes: number of logits.
        stem: channels of the first convolution.
        stages: channels of each stage.
        blocks: in each stage.
    """

    def __init__(self, classes: int, *, stem: int, stages: tuple[int, ...], blocks: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, stem, 3, 1, 1, bias=False)
        self.blocks = nn.Sequential()
        inputs = stem
        for stage, outputs in enumerate(stages):
            for block in range(blocks):
                self.blocks.append(PreactivatedBlock(inputs, outputs, 2 if stage and not block else 1))
                inputs = outputs
        self.norm = nn.BatchNorm2d(inputs)
        self.linear = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        """From images ``(N, 3, H, W)`` to logits ``(N, K)``."""
        features = functional.relu(self.norm(self.blocks(self.stem(images))))
        logits: Tensor = self.linear(features.mean(dim=(2, 3)))
        return logits


def preactivated18(classes: int) -> nn.Module:
    """PreActResNet-18 with torch's initial weights: the network of fast adversarial training and robust overfitting."""
    return Preactivated(classes, stem=64, stages=(64, 128, 256, 512), blocks=2)


def wide(classes: int, *, depth: int, factor: int) -> nn.Module:
    """WRN-depth-factor without dropout, with He's initial weights: the network of TRADES and its successors."""
    stages = (16 * factor, 32 * factor, 64 * factor)
    network = Preactivated(classes, stem=16, stages=stages, blocks=(depth - 4) // 6)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def torchvision_resnet(classes: int, *, depth: int) -> nn.Module:
    """Torchvision's ResNet with a 3x3 stem of stride 1 and without the first pooling, as CIFAR wants it."""
    network: nn.Module = getattr(import_torchvision().models, f"resnet{depth}")(num_classes=classes)
    network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()
    return network


def small(classes: int, *, channels: int = 16) -> nn.Module:
    """Four 3x3 convolutions of 16, 32, 64 and 64 channels, three of them with stride 2: for tests and slow machines."""
    shapes = [(3, channels, 2), (channels, 2 * channels, 1), (2 * channels, 4 * channels, 2)]
    layers = list[nn.Module]()
    for inputs, outputs, stride in [*shapes, (4 * channels, 4 * channels, 2)]:
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * channels, classes))
