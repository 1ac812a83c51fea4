"""What every layer of a conditional network is told about a batch."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Condition:
    """The trade-off and the width under which a batch is computed.

    Attributes:
        codes: the encodings of the batch's distinct lambdas, ``(U, d)``; None where nothing is conditioned.
        index: which of them each image has, ``(N,)``.
        zeros: how many images have lambda 0; they come first.
        width: share of the channels that is used, above 0, at most 1.
    """

    codes: Tensor | None
    index: Tensor
    zeros: int
    width: float = 1.0


def channels_at(channels: int, width: float) -> int:
    """How many of a layer's channels are used: ``int(channels * width)``, as in slimmable networks (arXiv 1812.08928).

    Example:
        >>> channels_at(64, 0.75)
        48
    """
    return int(channels * width + 1e-9)
