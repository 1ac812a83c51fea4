"""Handwritten digits that install with scikit-learn: 1,797 real scans (Alpaydin and Kaynak 1998, UCI)."""

import numpy as np
from numpy.typing import NDArray

from stormbench.datasets.readers.arrays import ArrayImages, StoredImages, array_images

SIDE = 32


# Neighbouring digits tend to come from one hand, so the parts are not shuffled: the last 500 are for testing.
TEST_IMAGES = 500


class Digits(StoredImages):
    """All 1,797 digits."""

    def open(self) -> NDArray[np.uint8]:
        """All images, ``(1797, 32, 32)`` uint8, 0 is paper and 255 is ink.

        Enlarged from 8x8 and 17 levels by bilinear interpolation, in whole numbers: the same bytes everywhere.
        """
        small = _read()[0].astype(np.int64)
        weights = _bilinear_weights(8, SIDE)
        full_scale = 16 * int(weights[0].sum()) ** 2
        enlarged = weights @ small @ weights.T
        return ((enlarged * 255 + full_scale // 2) // full_scale).astype(np.uint8)


def open_digits(part: str = "test") -> ArrayImages:
    """The digits at 32x32, grey as RGB.

    Args:
        part: ``"test"`` (the last 500 of scikit-learn's order) or ``"train"`` (the 1,297 before).
    """
    name = "digits" if part == "test" else f"digits-{part}"
    images = array_images(name, Digits(), _read()[1], source="digits")
    first_test = len(images) - TEST_IMAGES
    return images.subset(range(first_test, len(images)) if part == "test" else range(first_test))


def _read() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    from sklearn.datasets import load_digits  # takes half a second

    bunch = load_digits()
    return bunch.images, bunch.target


def _bilinear_weights(old: int, new: int) -> NDArray[np.int64]:
    """Row ``i`` holds, in units of ``1 / (2 new / old)``, the weights of the old pixels around the new pixel ``i``."""
    unit = 2 * new // old
    twice_position = 2 * np.arange(new) + 1 - new // old  # pixel centres, in units of 1/unit of an old pixel
    distance = np.abs(np.clip(twice_position, 0, (old - 1) * unit)[:, None] - unit * np.arange(old))
    weights: NDArray[np.int64] = np.maximum(unit - distance, 0)
    return weights
