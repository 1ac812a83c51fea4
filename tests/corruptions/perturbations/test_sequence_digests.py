"""Digests of our own sequences, which stand in for the reference's where those are not at hand.

After a change that is meant to move pixels, ``python tests/corruptions/perturbations/test_sequence_digests.py`` writes
them anew; say so in CHANGELOG.md under "Numbers".
"""

import tomllib
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from stormbench.corruptions import SCALES
from stormbench.corruptions.perturbations import PERTURBATIONS, perturb

TABLE = Path(__file__).with_suffix(".toml")
CUTS = {"cifar": (32, 32, 8), "imagenet64": (64, 64, 4), "imagenet": (256, 290, 1), "inception": (300, 400, 1)}


def digest(scale: str, name: str) -> str:
    """Over all frames of a piece of a photograph, under the reference's kind of random state."""
    height, width, step = CUTS[scale]
    frame = skimage.data.astronaut()[20 : 20 + height * step : step, 50 : 50 + width * step : step]
    frames = perturb(frame, name, scale=scale, rng=np.random.RandomState(0))
    return sha256(b"".join(frame.tobytes() for frame in frames)).hexdigest()[:16]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", PERTURBATIONS)
def test_frames_are_what_they_were(name: str, scale: str) -> None:
    assert digest(scale, name) == tomllib.loads(TABLE.read_text())[scale][name]


if __name__ == "__main__":
    with TABLE.open("w") as file:
        for scale in SCALES:
            file.write(f"[{scale}]\n")
            file.writelines(f'{name} = "{digest(scale, name)}"\n' for name in PERTURBATIONS)
