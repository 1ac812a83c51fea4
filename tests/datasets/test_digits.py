"""The embedded data set has the same bytes everywhere."""

import hashlib

import numpy as np
import pytest

from stormbench.datasets import open_images
from stormbench.datasets.readers.digits import Digits
from stormbench.errors import DataError

SHA256 = "bb72a09dcb2ae2a1b0982e3afd2dbfdacb70a8f0ecbc4e358dde826df0556987"


def test_bytes_are_fixed() -> None:
    assert hashlib.sha256(Digits().array.tobytes()).hexdigest() == SHA256


def test_enlarging_is_bilinear() -> None:
    import cv2
    from sklearn.datasets import load_digits

    expected = np.stack([cv2.resize(image, (32, 32), interpolation=cv2.INTER_LINEAR) for image in load_digits().images])
    assert np.abs(expected * 255 / 16 - Digits().array).max() <= 0.5


def test_parts() -> None:
    test, train = open_images("digits"), open_images("digits:train")
    assert (test.name, len(test), train.name, len(train)) == ("digits", 500, "digits-train", 1297)
    assert not set(test.keys) & set(train.keys)
    assert test.keys[0] == "1297"
    assert np.bincount(test.labels).min() >= 46
    assert open_images("digits:test").keys == test.keys
    assert test.read(0).size == (32, 32)


def test_another_part_is_refused() -> None:
    with pytest.raises(DataError, match="validation"):
        open_images("digits:validation")
