"""The two small networks of the demo: one architecture, trained with and without noise.

Both are sources that the command line takes: ``python:stormbench.benchmarks.demo.networks:plain``.
"""

from importlib.resources import files

from safetensors.torch import load
from torch import nn


def architecture() -> nn.Sequential:
    """Three convolutions and a linear layer for 32x32 RGB images in [0, 1] and ten classes; 24,000 parameters."""

    def stage(channels_in: int, channels_out: int) -> list[nn.Module]:
        convolution = nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(channels_out), nn.ReLU(), nn.MaxPool2d(2)]

    layers = [*stage(3, 16), *stage(16, 32), *stage(32, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(*layers)


NETWORKS = ("plain", "noisy")


def plain() -> nn.Sequential:
    """Trained on clean digits."""
    return _trained("plain")


def noisy() -> nn.Sequential:
    """Trained on digits with speckle noise and blur, two corruptions that are not scored."""
    return _trained("noisy")


def _trained(name: str) -> nn.Sequential:
    model = architecture()
    model.load_state_dict(load(files(__package__).joinpath(f"{name}.safetensors").read_bytes()))
    return model
