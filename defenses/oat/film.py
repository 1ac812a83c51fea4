"""Feature-wise linear modulation: scale and shift of every channel as a function of lambda."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.oat.condition import Condition


class FiLM(nn.Module):
    """``gamma(code) * features + beta(code)`` (Perez 2018, arXiv 1709.07871), as OAT arranges it (arXiv 2010.11828).

    Linear(d, 2C), LeakyReLU, Linear(2C, 2C), split into gamma and beta, LeakyReLU again on both; default
    initialisation, so that gamma starts near 0.

    With fewer channels c the hidden layer is the first 2c units, gamma the first c outputs of the first half and beta
    the first c of the second half. (In the published code the border between gamma and beta moves with the width,
    so that one weight means a scale at one width and a shift at another. With all channels there is no difference.)

    Args:
        code_length: d.
        channels: C.
        residual: scale by ``1 + gamma``: a departure from the published arrangement; small networks train faster.
    """

    def __init__(self, code_length: int, channels: int, *, residual: bool = False) -> None:
        super().__init__()
        self.code_length, self.channels, self.residual = code_length, channels, residual
        self.hidden = nn.Linear(code_length, 2 * channels)
        self.heads = nn.Linear(2 * channels, 2 * channels)

    def forward(self, features: Tensor, condition: Condition) -> Tensor:
        """Features ``(N, at most C, H, W)``, scaled and shifted by each image's code.

        Each distinct code is looked at once, whatever the number of images that share it.
        """
        assert condition.codes is not None  # a network with FiLM is always called with codes
        gamma, beta = self.scale_and_shift(condition.codes, features.shape[1])
        gamma, beta = gamma[condition.index, :, None, None], beta[condition.index, :, None, None]
        return gamma * features + beta

    def scale_and_shift(self, codes: Tensor, channels: int) -> tuple[Tensor, Tensor]:
        """Gamma (with its 1, if residual) and beta of codes ``(U, d)``, each ``(U, channels)``."""
        hidden = functional.leaky_relu(
            functional.linear(codes, self.hidden.weight[: 2 * channels], self.hidden.bias[: 2 * channels])
        )
        gamma, beta = (functional.leaky_relu(self._head(hidden, start, channels)) for start in (0, self.channels))
        return torch.add(gamma, 1) if self.residual else gamma, beta

    def _head(self, hidden: Tensor, start: int, channels: int) -> Tensor:
        part = slice(start, start + channels)
        return functional.linear(hidden, self.heads.weight[part, : 2 * channels], self.heads.bias[part])

    def parameters_at(self, channels: int) -> int:
        """How many weights a call with so many channels uses."""
        hidden = 2 * channels
        return hidden * (self.code_length + 1) + hidden * (hidden + 1)
