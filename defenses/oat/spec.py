"""What has to be known to build a conditional network again."""

from dataclasses import dataclass, field
from typing import Any

from stormbench.defenses.oat.encodings import ENCODINGS, EncodingName
from stormbench.errors import InputError

Triple = tuple[float, float, float]

PUBLISHED_LAMBDAS = (0.0, 0.1, 0.2, 0.3, 0.4, 1.0)
PUBLISHED_WIDTHS = (0.5, 0.75, 1.0)


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """A conditional network without its weights.

    Attributes:
        arch: a name in ``ARCHITECTURES``.
        classes: how many.
        lambdas: the trade-offs that it is trained for, ascending, in [0, 1]; a dedicated network has one.
        widths: shares of the channels that it can be used with, ascending; the last is 1.
        encoding: how lambda is told to FiLM; None has no FiLM: a dedicated network.
        code_length: of an encoded lambda.
        code_seed: of the orthogonal encoding's matrix.
        dual: one batch norm for lambda 0 and one for the rest; False is the ablation.
        switchable: batch norms of its own for each width; False is the ablation.
        residual: FiLM scales by ``1 + gamma``: a departure from the published code.
        channels: of the first convolution; None takes the architecture's own.
        dropout: in wide residual networks.
        mean: subtracted from each channel of pixels in [0, 1]; the published code normalises nothing.
        std: divides each channel afterwards.

    Raises:
        InputError: something is out of range, or contradicts something else.
    """

    arch: str
    classes: int = 10
    lambdas: tuple[float, ...] = PUBLISHED_LAMBDAS
    widths: tuple[float, ...] = (1.0,)
    encoding: EncodingName | None = "orthogonal"
    code_length: int = 128
    code_seed: int = 0
    dual: bool = True
    switchable: bool = True
    residual: bool = False
    channels: int | None = None
    dropout: float = 0.3
    mean: Triple = field(default=(0.0, 0.0, 0.0))
    std: Triple = field(default=(1.0, 1.0, 1.0))

    def __post_init__(self) -> None:
        _ascending("lambdas", self.lambdas, 0.0)
        _ascending("widths", self.widths, 1e-3)
        if self.widths[-1] != 1:
            raise InputError(f"the widest width is 1, not {self.widths[-1]:g}")
        if self.encoding is not None and self.encoding not in ENCODINGS:
            raise InputError(f"the encoding is one of {', '.join(ENCODINGS)}, not {self.encoding!r}")
        if self.encoding is None and (len(self.lambdas) > 1 or self.dual):
            raise InputError("a network without FiLM is dedicated to one lambda, and has single batch norms")
        if self.classes < 2 or (self.channels is not None and self.channels < 1) or not 0 <= self.dropout < 1:
            raise InputError("there are at least 2 classes and 1 channel, and dropout is in 0..1")

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "NetworkSpec":
        """Reads what ``dataclasses.asdict`` gave, after JSON rotated its tuples into lists."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
        }
        return cls(**fields)


def _ascending(what: str, values: tuple[float, ...], least: float) -> None:
    if not values or sorted(set(values)) != list(values) or values[0] < least or values[-1] > 1:
        raise InputError(f"{what} are distinct numbers from {least:g} to 1 in ascending order, not {values}")
