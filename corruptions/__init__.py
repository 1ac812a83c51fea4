"""Image corruptions: pure functions on uint8 images, exact to the bit, with randomness as an argument."""

from stormbench.corruptions.catalogue import (
    C_BAR,
    CORRUPTIONS,
    IMAGENET_C,
    SCALES,
    SEVERITIES,
    Corruption,
    corrupt,
    scale_of,
)
from stormbench.corruptions.composition import Composition, Step
from stormbench.corruptions.transform import Corrupt

__all__ = [
    "CORRUPTIONS",
    "C_BAR",
    "IMAGENET_C",
    "SCALES",
    "SEVERITIES",
    "Composition",
    "Corrupt",
    "Corruption",
    "Step",
    "corrupt",
    "scale_of",
]
