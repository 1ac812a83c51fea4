"""What a model wants done to images before they reach it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from stormbench.errors import InputError

INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Preprocessing:
    """Travels with a model from the place where its weights are described to the result file.

    Attributes:
        resize: short side before the crop; for the record, and for suites that ask the model.
        crop: side of the square images that the network was made for; None where it takes any.
        interpolation: how images are resized.
        mean: subtracted from each channel (RGB, pixels in 0..1).
        std: divides each channel afterwards.

    Raises:
        InputError: a side or a standard deviation is not positive, or a name or a number of channels is wrong.
    """

    resize: int | None = None
    crop: int | None = None
    interpolation: str = "bilinear"
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            object.__setattr__(self, name, _triple(name, getattr(self, name)))
        if min(self.std) <= 0:
            raise InputError(f"the standard deviations are positive, not {self.std}")
        if any(side is not None and side < 1 for side in (self.resize, self.crop)):
            raise InputError(f"resize and crop are positive numbers of pixels, not {self.resize} and {self.crop}")
        if self.interpolation not in INTERPOLATIONS:
            raise InputError(
                f"a model's interpolation is one of {', '.join(INTERPOLATIONS)}, not {self.interpolation!r}"
            )

    def changed(self, changes: Mapping[str, Any]) -> "Preprocessing":
        """The same with some fields replaced; a None changes nothing.

        Raises:
            InputError: there is no such field, or a value is wrong.
        """
        wanted = {name: value for name, value in changes.items() if value is not None}
        if unknown := wanted.keys() - vars(self).keys():
            raise InputError(f"preprocessing has {', '.join(vars(self))}, not {', '.join(sorted(unknown))}")
        return replace(self, **wanted)


def _triple(name: str, values: Any) -> Triple:
    try:
        red, green, blue = (float(value) for value in values)
    except (TypeError, ValueError):
        raise InputError(f"{name} is three numbers (RGB), not {values!r}") from None
    return red, green, blue
