"""Magnifying the middle of an image without changing its size."""

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def magnify(image: NDArray[Any], factor: float) -> NDArray[Any]:
    """The middle of the image, enlarged by ``factor`` to the image's own size.

    A side of S pixels keeps its middle c = ceil(S / factor) of them, which are resampled linearly, end to end, to
    round(c factor), of which the middle S stay. Each side of a non-square image is treated so by itself.

    Args:
        image: (H, W) or (H, W, C).
        factor: 1 or more.

    Returns:
        An array of the same shape and type.
    """
    height, width = image.shape[:2]
    kept = [ceil(side / factor) for side in (height, width)]
    top, left = (height - kept[0]) // 2, (width - kept[1]) // 2
    middle = image[top : top + kept[0], left : left + kept[1]]
    enlarged = ndimage.zoom(middle, (factor, factor, 1)[: image.ndim], order=1)
    top, left = (enlarged.shape[0] - height) // 2, (enlarged.shape[1] - width) // 2
    return np.ascontiguousarray(enlarged[top : top + height, left : left + width])
