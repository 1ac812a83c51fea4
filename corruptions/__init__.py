"""Corruptions of ImageNet-C: pure functions on uint8 images, exact to the bit, with randomness as an argument."""

from stormbench.corruptions.catalogue import CORRUPTIONS, SCALES, SEVERITIES, Corruption, corrupt, scale_of
from stormbench.corruptions.transform import Corrupt

__all__ = ["CORRUPTIONS", "SCALES", "SEVERITIES", "Corrupt", "Corruption", "corrupt", "scale_of"]
