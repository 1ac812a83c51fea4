"""The networks: CIFAR ResNets, wide ResNets and a small one, every layer of which knows of lambda and width."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.oat.condition import Condition
from stormbench.defenses.oat.film import FiLM
from stormbench.defenses.oat.layers import ConditionalNorm, SlimmableConv2d, SlimmableLinear
from stormbench.defenses.oat.spec import NetworkSpec
from stormbench.registry import Registry


def make_norm(spec: NetworkSpec, channels: int, *, film: bool = True) -> ConditionalNorm:
    """A batch norm as the specification wants it; ``film=False`` where the published networks have none."""
    code_length = 1 if spec.encoding == "scalar" else spec.code_length
    scale = FiLM(code_length, channels, residual=spec.residual) if film and spec.encoding else None
    return ConditionalNorm(channels, spec.widths, dual=spec.dual, switchable=spec.switchable, film=scale)


class Classifier(nn.Module):
    """Features, global average, linear head."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.linear = SlimmableLinear(features, classes)

    def features(self, images: Tensor, condition: Condition) -> Tensor:
        """From normalised images ``(N, 3, H, W)`` to ``(N, C, H', W')``."""
        raise NotImplementedError

    def forward(self, images: Tensor, condition: Condition) -> Tensor:
        """From normalised images ``(N, 3, H, W)`` to logits ``(N, K)``."""
        logits: Tensor = self.linear(self.features(images, condition).mean(dim=(2, 3)))
        return logits


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; FiLM after the batch norms of the main path only (He 2016, 1512.03385)."""

    def __init__(self, spec: NetworkSpec, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = SlimmableConv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = make_norm(spec, outputs)
        self.conv2 = SlimmableConv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = make_norm(spec, outputs)
        self.shortcut: SlimmableConv2d | None = None
        if stride > 1 or inputs != outputs:
            self.shortcut = SlimmableConv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut_norm = make_norm(spec, outputs, film=False)

    def forward(self, images: Tensor, condition: Condition) -> Tensor:
        """From ``(N, C, H, W)`` to ``(N, C', H', W')``."""
        inner = functional.relu(self.norm1(self.conv1(images, condition.width), condition))
        inner = self.norm2(self.conv2(inner, condition.width), condition)
        if self.shortcut is not None:
            images = self.shortcut_norm(self.shortcut(images, condition.width), condition)
        return functional.relu(inner + images)


class ResNet(Classifier):
    """A CIFAR ResNet: a 3x3 stem and four stages of basic blocks; 64, 128, 256 and 512 channels (arXiv 1512.03385)."""

    def __init__(self, spec: NetworkSpec, blocks: Sequence[int]) -> None:
        base = spec.channels or 64
        super().__init__(8 * base, spec.classes)
        self.stem = SlimmableConv2d(3, base, 3, 1, 1, bias=False)
        self.norm = make_norm(spec, base)
        self.stages = nn.ModuleList()
        inputs = base
        for stage, count in enumerate(blocks):
            for block in range(count):
                stride = 2 if stage and not block else 1
                self.stages.append(BasicBlock(spec, inputs, base << stage, stride))
                inputs = base << stage

    def features(self, images: Tensor, condition: Condition) -> Tensor:
        """From normalised images ``(N, 3, H, W)`` to ``(N, C, H / 8, W / 8)``."""
        images = functional.relu(self.norm(self.stem(images, condition.width), condition))
        for block in self.stages:
            images = block(images, condition)
        return images


class WideBlock(nn.Module):
    """A pre-activated block: batch norm, FiLM and ReLU before each 3x3 convolution (Zagoruyko 2016, 1605.07146)."""

    def __init__(self, spec: NetworkSpec, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1 = make_norm(spec, inputs)
        self.conv1 = SlimmableConv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm2 = make_norm(spec, outputs)
        self.conv2 = SlimmableConv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.dropout = nn.Dropout(spec.dropout)
        changed = stride > 1 or inputs != outputs
        self.shortcut = SlimmableConv2d(inputs, outputs, 1, stride, bias=False) if changed else None

    def forward(self, images: Tensor, condition: Condition) -> Tensor:
        """From ``(N, C, H, W)`` to ``(N, C', H', W')``."""
        ahead = functional.relu(self.norm1(images, condition))
        inner = functional.relu(self.norm2(self.conv1(ahead, condition.width), condition))
        inner = self.conv2(self.dropout(inner), condition.width)
        if self.shortcut is not None:
            images = self.shortcut(ahead, condition.width)
        added: Tensor = inner + images
        return added


class WideResNet(Classifier):
    """WRN-depth-factor: three stages of ``(depth - 4) / 6`` blocks (arXiv 1605.07146); no FiLM after the last norm."""

    def __init__(self, spec: NetworkSpec, depth: int, factor: int) -> None:
        base = spec.channels or 16
        stages = [base * factor << stage for stage in range(3)]
        super().__init__(stages[-1], spec.classes)
        self.stem = SlimmableConv2d(3, base, 3, 1, 1, bias=False)
        self.blocks = nn.ModuleList()
        inputs = base
        for stage, outputs in enumerate(stages):
            for block in range((depth - 4) // 6):
                self.blocks.append(WideBlock(spec, inputs, outputs, 2 if stage and not block else 1))
                inputs = outputs
        self.norm = make_norm(spec, inputs, film=False)

    def features(self, images: Tensor, condition: Condition) -> Tensor:
        """From normalised images ``(N, 3, H, W)`` to ``(N, C, H / 4, W / 4)``."""
        images = self.stem(images, condition.width)
        for block in self.blocks:
            images = block(images, condition)
        return functional.relu(self.norm(images, condition))


class SmallNet(Classifier):
    """Four 3x3 convolutions of 16, 32, 64 and 64 channels, three of them with stride 2: for tests and slow machines."""

    def __init__(self, spec: NetworkSpec) -> None:
        base = spec.channels or 16
        super().__init__(4 * base, spec.classes)
        shapes = [(3, base, 2), (base, 2 * base, 1), (2 * base, 4 * base, 2), (4 * base, 4 * base, 2)]
        self.convs = nn.ModuleList(SlimmableConv2d(i, o, 3, stride, 1, bias=False) for i, o, stride in shapes)
        self.norms = nn.ModuleList(make_norm(spec, outputs) for _, outputs, _ in shapes)

    def features(self, images: Tensor, condition: Condition) -> Tensor:
        """From normalised images ``(N, 3, H, W)`` to ``(N, C, H / 8, W / 8)``."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            images = functional.relu(norm(conv(images, condition.width), condition))
        return images


@dataclass(frozen=True)
class ArchitectureEntry:
    """One architecture.

    Attributes:
        name: what users call it.
        summary: one line.
        build: makes the network of a specification.
    """

    name: str
    summary: str
    build: Callable[[NetworkSpec], Classifier]


ARCHITECTURES = Registry(
    "architecture",
    [
        ArchitectureEntry("small", "four convolutions, 16 to 64 channels: minutes on a laptop", SmallNet),
        ArchitectureEntry("resnet18", "CIFAR ResNet-18, 64 to 512 channels", partial(ResNet, blocks=(2, 2, 2, 2))),
        ArchitectureEntry("resnet34", "CIFAR ResNet-34, as published", partial(ResNet, blocks=(3, 4, 6, 3))),
        ArchitectureEntry("wrn-16-8", "wide ResNet, as published for SVHN", partial(WideResNet, depth=16, factor=8)),
        ArchitectureEntry("wrn-40-2", "wide ResNet, as published for STL-10", partial(WideResNet, depth=40, factor=2)),
    ],
)
