"""Photographs that every installation has."""

from collections.abc import Callable

import numpy as np
import pytest
import skimage.data


@pytest.fixture(scope="session")
def photo() -> Callable[[int, int], np.ndarray]:
    """Gives an H x W piece of a photograph of a cat (mirrored where the photograph ends)."""
    cat = skimage.data.chelsea()

    def piece(height: int, width: int) -> np.ndarray:
        rows, columns = max(0, height - cat.shape[0]), max(0, width - cat.shape[1])
        return np.pad(cat, ((0, rows), (0, columns), (0, 0)), mode="symmetric")[:height, :width].copy()

    return piece
