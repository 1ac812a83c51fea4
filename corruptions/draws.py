"""Random numbers for the kernels, from numpy's Generator or in the reference's own order."""

import numpy as np
from numpy.typing import NDArray

from stormbench.errors import InputError

Shape = tuple[int, ...]


class Draws:
    """What kernels draw, whichever kind of generator the caller brought.

    With a legacy ``RandomState`` every draw is the call that the reference makes, so that pixels equal the
    reference's bit for bit. With a ``Generator`` the law is the same and the stream is our own.

    Args:
        rng: a ``numpy.random.Generator`` or a legacy ``numpy.random.RandomState``.

    Raises:
        InputError: ``rng`` is neither.
    """

    def __init__(self, rng: np.random.Generator | np.random.RandomState) -> None:
        if not isinstance(rng, np.random.Generator | np.random.RandomState):
            raise InputError(f"rng must be a numpy.random.Generator or RandomState, got {type(rng).__name__}")
        self._rng = rng

    def normal(self, mean: float, deviation: float, shape: Shape) -> NDArray[np.float64]:
        """Independent N(mean, deviation**2)."""
        return self._rng.normal(mean, deviation, shape)

    def poisson(self, rates: NDArray[np.float64]) -> NDArray[np.int64]:
        """One count for each rate."""
        return self._rng.poisson(rates)

    def chance(self, probability: float, shape: Shape) -> NDArray[np.bool_]:
        """True with the given probability (legacy ``choice([True, False])`` compares one uniform a value, as here)."""
        return self._rng.random(shape) < probability

    def angle(self, low: float, high: float) -> float:
        """One number, uniform between ``low`` and ``high``."""
        return float(self._rng.uniform(low, high))

    def uniform(self, low: float, high: float, shape: Shape) -> NDArray[np.float64]:
        """Independent and uniform between ``low`` and ``high``."""
        return self._rng.uniform(low, high, shape)

    def integers(self, low: int, high: int, shape: Shape) -> NDArray[np.int64]:
        """Independent and uniform in ``low .. high - 1``."""
        if isinstance(self._rng, np.random.RandomState):
            return self._rng.randint(low, high, shape)
        return self._rng.integers(low, high, shape)

    def index(self, count: int) -> int:
        """One number, uniform in ``0 .. count - 1``."""
        return int(self.integers(0, count, ()))
