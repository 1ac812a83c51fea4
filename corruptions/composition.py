"""Several corruptions one after the other, written as ``fog:2+jpeg_compression:3``."""

from collections.abc import Iterator
from dataclasses import dataclass

from stormbench.cells import Pixels
from stormbench.corruptions.catalogue import CORRUPTIONS, corrupt
from stormbench.corruptions.pixels import as_pixels
from stormbench.corruptions.severity import as_severity
from stormbench.errors import InputError
from stormbench.randomness import stream


@dataclass(frozen=True)
class Step:
    """One corruption of a composition.

    Attributes:
        name: one of ``CORRUPTIONS``.
        severity: 0..5, whole or not.
    """

    name: str
    severity: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", CORRUPTIONS[self.name].name)
        object.__setattr__(self, "severity", as_severity(self.severity))

    def __str__(self) -> str:
        return f"{self.name}:{self.severity!r}"


@dataclass(frozen=True)
class Composition:
    """Corruptions that are applied in their order.

    Example:
        >>> str(Composition.parse("fog:2.0+jpeg_compression:3"))
        'fog:2+jpeg_compression:3'
    """

    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, spec: str) -> "Composition":
        """The composition that is written as ``name:severity``, several of them joined by ``+``.

        Args:
            spec: such as ``fog:2.5`` or ``fog:2+jpeg_compression:3``.

        Raises:
            InputError: it is written otherwise, or a severity is not from 0 to 5.
            UnknownNameError: no such corruption.
        """
        return cls(tuple(_step(part, spec) for part in spec.split("+")))

    def apply(self, image: Pixels, *, seed: int, key: str, scale: str = "auto") -> Pixels:
        """Corrupts one image.

        Each step has the random stream that its corruption and severity have alone, whatever comes before it; only a
        step that stands there twice has another one the second time.

        Args:
            image: as ``corrupt`` takes it.
            seed: of the run.
            key: the image's stable identity.
            scale: severity table, as ``corrupt`` takes it.

        Returns:
            uint8 (H, W, 3), a new array.

        Raises:
            InputError: the image is not as above, or a corruption has no such scale.
        """
        pixels = as_pixels(image).copy()
        for step, own_key in self._keys(key):
            rng = stream(seed, step.name, step.severity, own_key)
            pixels = corrupt(pixels, step.name, step.severity, scale=scale, rng=rng)
        return pixels

    def _keys(self, key: str) -> Iterator[tuple[Step, str]]:
        for place, step in enumerate(self.steps):
            before = self.steps[:place].count(step)
            yield step, f"{key}\x1f{before}" if before else key

    def __str__(self) -> str:
        return "+".join(map(str, self.steps))


def _step(part: str, spec: str) -> Step:
    name, colon, severity = part.strip().partition(":")
    try:
        number = float(severity)
    except ValueError:
        colon = ""
        number = 0.0
    if not (name and colon):
        raise InputError(
            f"{spec!r} is no composition of corruptions; write name:severity, joined by +, such as fog:2+snow:1.5"
        )
    return Step(name, number)
