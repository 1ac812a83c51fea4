"""Words that all areas share: cells, severities, pixels."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

# A corruption (or perturbation) and its severity (or level).
Cell = tuple[str, int]
# The name of uncorrupted images; their severity is 0.
CLEAN: Final = "clean"
SEVERITIES: Final = (1, 2, 3, 4, 5)
# An image, shape (height, width, 3), RGB.
Pixels = NDArray[np.uint8]
