"""Layers that know of lambda and of width: dual batch norm, slimmable convolution and linear.

The width is never an attribute that someone sets (the published code does so with ``model.apply``): a layer gets it
with each call, and takes its number of input channels from the input. One network serves several widths at once.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.oat.condition import Condition, channels_at
from stormbench.defenses.oat.film import FiLM


class SlimmableConv2d(nn.Conv2d):
    """A convolution of which the first ``int(C * width)`` filters are used (Yu et al. 2019, arXiv 1812.08928)."""

    def forward(self, images: Tensor, width: float = 1.0) -> Tensor:
        """From ``(N, any number of the first input channels, H, W)`` to ``(N, int(C * width), H', W')``."""
        weight = self.weight[: channels_at(self.out_channels, width), : images.shape[1]]
        bias = None if self.bias is None else self.bias[: len(weight)]
        return functional.conv2d(images, weight, bias, self.stride, self.padding, self.dilation)

    def parameters_used(self, images: Tensor, width: float = 1.0) -> int:
        """How many weights a call uses."""
        outputs = channels_at(self.out_channels, width)
        return outputs * (images.shape[1] * self.weight[0, 0].numel() + (self.bias is not None))


class SlimmableLinear(nn.Linear):
    """A linear layer that uses the first inputs only; all outputs and the bias are shared by all widths."""

    def forward(self, features: Tensor) -> Tensor:
        """From ``(N, any number of the first features)`` to ``(N, outputs)``."""
        return functional.linear(features, self.weight[:, : features.shape[1]], self.bias)

    def parameters_used(self, features: Tensor) -> int:
        """How many weights a call uses."""
        return self.out_features * (features.shape[1] + (self.bias is not None))


class SlicedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the first channels; with all of them it is ``BatchNorm2d``."""

    def forward(self, images: Tensor) -> Tensor:
        """``(N, at most C, H, W)``, normalised; in training the statistics of these channels move."""
        part = slice(images.shape[1])
        assert self.running_mean is not None  # always tracked here
        assert self.running_var is not None
        return functional.batch_norm(
            images,
            self.running_mean[part],
            self.running_var[part],
            self.weight[part],
            self.bias[part],
            self.training,
            self.momentum or 0.0,
            self.eps,
        )


class DualBatchNorm2d(nn.Module):
    """Two batch norms: one for images whose lambda is 0, one for all others (OAT, arXiv 2010.11828).

    The choice goes by lambda and not by whether an image was attacked: undisturbed images with a positive lambda pass
    through the second too.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.clean = SlicedBatchNorm2d(channels)
        self.adversarial = SlicedBatchNorm2d(channels)

    def forward(self, images: Tensor, zeros: int) -> Tensor:
        """``(N, C, H, W)``, of which the first ``zeros`` images have lambda 0; an empty part moves no statistics."""
        if zeros == 0:
            normalised: Tensor = self.adversarial(images)
        elif zeros == len(images):
            normalised = self.clean(images)
        else:
            normalised = torch.cat([self.clean(images[:zeros]), self.adversarial(images[zeros:])])
        return normalised


class SingleBatchNorm2d(SlicedBatchNorm2d):
    """One batch norm for every lambda: what dual batch norm is compared with."""

    def forward(self, images: Tensor, zeros: int) -> Tensor:  # type: ignore[override] # noqa: ARG002 - called as the dual one
        """``(N, C, H, W)``, normalised."""
        return super().forward(images)


class ConditionalNorm(nn.Module):
    """Batch norm as lambda and width want it, and FiLM behind it.

    Args:
        channels: C.
        widths: every width gets batch norms of its own (switchable).
        dual: one batch norm for lambda 0 and one for the rest.
        switchable: False shares one, sliced, between all widths: the negative control, which is known to fail.
        film: scale and shift by lambda; None leaves them out.
    """

    def __init__(
        self, channels: int, widths: Sequence[float], *, dual: bool, switchable: bool, film: FiLM | None
    ) -> None:
        super().__init__()
        kind = DualBatchNorm2d if dual else SingleBatchNorm2d
        own = widths if switchable else (1.0,)
        self.switchable = switchable
        self.norms = nn.ModuleDict({_key(width): kind(channels_at(channels, width)) for width in own})
        self.film = film

    def forward(self, images: Tensor, condition: Condition) -> Tensor:
        """``(N, int(C * width), H, W)``, normalised, then scaled and shifted."""
        norm = self.norms[_key(condition.width if self.switchable else 1.0)]
        normalised: Tensor = norm(images, condition.zeros)
        return normalised if self.film is None else self.film(normalised, condition)

    def parameters_used(self, images: Tensor, condition: Condition) -> int:  # noqa: ARG002 - called as forward is
        """How many weights a call with one lambda uses: one batch norm, and FiLM's slices."""
        channels = images.shape[1]
        return 2 * channels + (self.film.parameters_at(channels) if self.film else 0)


def _key(width: float) -> str:
    """A module's name must not hold a dot."""
    return f"{width:g}".replace(".", "_")
