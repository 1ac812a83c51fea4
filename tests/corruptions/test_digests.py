"""Digests of our own outputs, which stand in for the reference's images where those are not at hand.

After a change that is meant to move pixels, ``python tests/corruptions/test_digests.py`` writes them anew; say so in
CHANGELOG.md under "Numbers".
"""

import json
import tomllib
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

from stormbench.corruptions import CORRUPTIONS, SCALES, corrupt
from stormbench.randomness import stream

TABLE = Path(__file__).with_suffix(".toml")
STEPS = {"cifar": 8, "imagenet64": 4, "imagenet": 1, "inception": 1}
TABLES = [(scale, name) for scale in SCALES for name, entry in CORRUPTIONS.items() if scale in entry.severities]
RNGS: dict[str, Callable[[str, int], Any]] = {
    "stream": lambda name, severity: stream(0, name, severity, "digest"),
    "legacy": lambda _name, _severity: np.random.RandomState(0),
}


def photos(scale: str) -> Iterator[np.ndarray]:
    """Square pieces of two photographs, thinned out for the small scales."""
    extent = SCALES[scale] * STEPS[scale]
    for whole in (skimage.data.chelsea(), skimage.data.astronaut()):
        yield whole[20 : 20 + extent : STEPS[scale], 50 : 50 + extent : STEPS[scale]]


def digests(scale: str, name: str, kind: str) -> list[str]:
    """One for each severity, over both photographs."""
    return [
        sha256(
            b"".join(corrupt(p, name, s, scale=scale, rng=RNGS[kind](name, s)).tobytes() for p in photos(scale))
        ).hexdigest()[:16]
        for s in range(1, 6)
    ]


@pytest.mark.parametrize("kind", RNGS)
@pytest.mark.parametrize(("scale", "name"), TABLES)
def test_pixels_are_what_they_were(name: str, scale: str, kind: str) -> None:
    assert digests(scale, name, kind) == tomllib.loads(TABLE.read_text())[kind][scale][name]


if __name__ == "__main__":
    with TABLE.open("w") as file:
        for kind, scale in product(RNGS, SCALES):
            file.write(f"[{kind}.{scale}]\n")
            file.writelines(
                f"{name} = {json.dumps(digests(scale, name, kind))}\n" for place, name in TABLES if place == scale
            )
