"""Detail enhancers: networks that double the sides of a picture, and how their weights are found.

An enhancer is any ``nn.Module`` from ``(N, 3, H, W)`` in [0, 1] to ``(N, 3, 2H, 2W)``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, cast, get_args

from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.rain.edsr import EDSR
from stormbench.defenses.rain.imdn import IMDN
from stormbench.defenses.rain.small import SmallEnhancer
from stormbench.errors import InputError, MissingDependencyError, ModelError
from stormbench.torchvision_guard import import_torchvision
from stormbench.weights import StateDict, load_weights, read_weights

UpsamplerName = Literal["bilinear", "bicubic", "small", "edsr", "imdn", "spandrel"]


class Interpolation(nn.Module):
    """No network at all: the baseline that every enhancer has to beat."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, small: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to ``(N, 3, 2H, 2W)``."""
        return functional.interpolate(small, scale_factor=2, mode=self.mode, align_corners=False)


# Where the files of enhancers have their weights; what parallel training and the EDSR authors' class put before names.
_CONTAINERS = ("state_dict", "params")
_WRAPPERS = ("module.", "model.")
_FROM_WEIGHTS: dict[str, Callable[[StateDict], nn.Module]] = {
    "small": SmallEnhancer.shaped_like,
    "edsr": lambda _: EDSR(),
    "imdn": lambda _: IMDN(),
}


def load_enhancer(name: UpsamplerName, weights: str | Path = "") -> nn.Module:
    """Builds an enhancer and reads its weights.

    Args:
        name: ``bilinear`` or ``bicubic`` interpolation; ``small``, a residual network that ``stormbench train rain``
            fits; ``edsr``, the EDSR baseline x2 of Lim 2017 (arXiv 1707.02921) as the paper uses it; ``imdn``, IMDN x2
            of Hui 2019 (arXiv 1909.11856); ``spandrel``, any x2 RGB network that the optional spandrel library knows.
        weights: ``.safetensors``, or a PyTorch state dict; it is read without running any code that it holds.

    Raises:
        InputError: weights are given to an interpolation, or missing for a network.
        ModelError: the file cannot be read or holds another architecture.
        MissingDependencyError: spandrel is asked for and not installed.
    """
    if name in ("bilinear", "bicubic"):
        if str(weights):
            raise InputError(f"upsampler={name} has no weights; leave out weights={weights} or choose a network")
        return Interpolation(name)
    if not str(weights):
        raise InputError(f"upsampler={name} needs weights=FILE (`stormbench train rain` makes a small one)")
    if name == "spandrel":
        return _from_spandrel(Path(weights))
    if name not in _FROM_WEIGHTS:
        raise InputError(f"upsampler is one of {', '.join(get_args(UpsamplerName))}, not {name!r}")
    path = Path(weights)
    found = read_weights(path, containers=_CONTAINERS, wrappers=_WRAPPERS).state
    network = _FROM_WEIGHTS[name](found)
    load_weights(network, found, path=path, architecture=type(network).__name__, strict=True)
    return network


def _from_spandrel(path: Path) -> nn.Module:
    try:
        import_torchvision()  # which spandrel imports, and which may need help
        from spandrel import ModelLoader
        from spandrel import UnsupportedModelError as Unsupported
    except ImportError as error:
        raise MissingDependencyError("upsampler=spandrel needs the spandrel library: pip install spandrel") from error
    try:
        found = ModelLoader().load_from_state_dict(
            dict(read_weights(path, containers=_CONTAINERS, wrappers=_WRAPPERS).state)
        )
    except Unsupported:
        raise ModelError(f"spandrel knows no architecture that has the weights of {path}") from None
    if (found.scale, found.input_channels, found.output_channels) != (2, 3, 3):
        raise ModelError(
            f"{path} holds a x{found.scale} network from {found.input_channels} to {found.output_channels} channels; "
            "RAIN needs x2 from RGB to RGB"
        )
    return cast(nn.Module, found.model)
